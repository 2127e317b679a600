//! `$SYS`: what operators' tools ask and are told, and what clients may ask of it.

mod kit;

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Subscriber};
use futures_util::StreamExt;
use kit::edge::Edge;
use serde_json::{Value, json};

const ACCOUNTS: &str = r#"
    server_tags: ["site:north"]
    accounts {
        APP { users: [ { user: app, password: app } ] }
        OTHER { users: [ { user: other, password: other } ] }
        $SYS { users: [ { user: sys, password: sys } ] }
    }
"#;

async fn login(edge: &Edge, user: &str) -> Client {
    let options = ConnectOptions::with_user_and_password(user.to_owned(), user.to_owned()).name(user);
    options.connect(edge.client_addr().to_string()).await.unwrap()
}

async fn ask(client: &Client, subject: &str, body: &str) -> Value {
    let answer = client.request(subject.to_owned(), body.to_owned().into()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}"));
    serde_json::from_slice(&answer.payload).unwrap()
}

async fn next(events: &mut Subscriber) -> Value {
    let event = tokio::time::timeout(Duration::from_secs(10), events.next()).await;
    serde_json::from_slice(&event.expect("an event in time").unwrap().payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_who_it_is_is_told_once() {
    let edge = Edge::start(ACCOUNTS).await;
    let app = login(&edge, "app").await;
    let mut answers = app.subscribe("answer").await.unwrap();
    app.publish_with_reply("$SYS.REQ.USER.INFO", "answer", "".into()).await.unwrap();
    app.publish("answer", "null".into()).await.unwrap();
    assert_eq!(next(&mut answers).await["data"]["user"], "app");
    assert_eq!(next(&mut answers).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_ask_about_one_account() {
    let edge = Edge::start(ACCOUNTS).await;
    let (sys, app) = (login(&edge, "sys").await, login(&edge, "app").await);
    let _sub = app.subscribe("foo.*").await.unwrap();
    app.flush().await.unwrap();
    let about =
        async |account: &str, what: &str| ask(&sys, &format!("$SYS.REQ.ACCOUNT.{account}.{what}"), "").await;
    let connz = about("APP", "CONNZ").await;
    assert_eq!(connz["server"]["tags"], json!(["site:north"]));
    assert_eq!(
        (&connz["data"]["total"], &connz["data"]["connections"][0]["name"]),
        (&json!(1), &json!("app"))
    );
    let subsz = about("APP", "SUBSZ").await;
    let subjects: Vec<_> = subsz["data"]["subscriptions_list"].as_array().unwrap().iter().collect();
    assert!(subjects.iter().any(|found| found["subject"] == "foo.*" && found["account"] == "APP"), "{subsz}");
    assert_eq!(about("APP", "INFO").await["data"]["client_connections"], 1);
    assert_eq!(about("APP", "STATZ").await["data"]["account_statz"][0]["acc"], "APP");
    let conns = about("APP", "CONNS").await;
    assert_eq!(conns["type"], "io.nats.server.advisory.v1.account_connections");
    assert_eq!((&conns["acc"], &conns["conns"]), (&json!("APP"), &json!(1)));
    let missing = about("NOPE", "JSZ").await;
    assert_eq!(missing["error"], json!({"code": 500, "description": "account \"NOPE\" not found"}));
    assert_eq!(missing["data"], Value::Null);
    let all = ask(&sys, "$SYS.REQ.ACCOUNT.PING.STATZ", "").await;
    assert_eq!(all["data"]["account_statz"].as_array().unwrap().len(), 2);
    let count = ask(&sys, "$SYS.REQ.ACCOUNT.NSUBS", r#"{"acc":"APP","subject":"foo.bar"}"#).await;
    assert_eq!(count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_imports_it_may_ask_how_many_listen_in_the_own_account() {
    let import = "imports: [ { service: { account: \"$SYS\", subject: \"$SYS.DEBUG.SUBSCRIBERS\" } } ]";
    let edge = Edge::start(&ACCOUNTS.replace("APP {", &format!("APP {{ {import},"))).await;
    let (app, sys) = (login(&edge, "app").await, login(&edge, "sys").await);
    let _subs = (
        app.subscribe("foo.bar").await.unwrap(),
        app.subscribe("foo.*").await.unwrap(),
        app.queue_subscribe("foo.*", "q".to_owned()).await.unwrap(),
        sys.subscribe("foo.bar").await.unwrap(),
    );
    app.flush().await.unwrap();
    sys.flush().await.unwrap();
    for (wanted, in_app, in_sys) in
        [("foo.bar", 3, 1), (" foo.baz q\n", 1, 0), ("foo.>", 3, 1), ("foo.*  ", 3, 1), ("foo.*  q", 2, 1)]
    {
        assert_eq!(ask(&app, "$SYS.DEBUG.SUBSCRIBERS", wanted).await, in_app, "{wanted}");
        assert_eq!(ask(&sys, "$SYS.DEBUG.SUBSCRIBERS", wanted).await, in_sys, "{wanted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_ask_about_their_own_account_only() {
    let edge = Edge::start(ACCOUNTS).await;
    let (app, other) = (login(&edge, "app").await, login(&edge, "other").await);
    for subject in ["$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ"] {
        let connz = ask(&app, subject, r#"{"acc":"OTHER","auth":true}"#).await;
        let names: Vec<_> = connz["data"]["connections"].as_array().unwrap().iter().collect();
        assert!(names.len() == 1 && names[0]["name"] == "app", "{connz}");
    }
    let statz = ask(&other, "$SYS.REQ.ACCOUNT.PING.STATZ", r#"{"accounts":["APP"],"tags":null}"#).await;
    assert_eq!(statz["data"]["account_statz"][0]["acc"], "OTHER");
    for subject in ["$SYS.REQ.ACCOUNT.APP.CONNZ", "$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.PING"] {
        assert!(other.request(subject, "".into()).await.is_err(), "{subject}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_and_going_is_told_with_its_reason() {
    let edge = Edge::start(ACCOUNTS).await;
    let sys = login(&edge, "sys").await;
    let mut comings = sys.subscribe("$SYS.ACCOUNT.*.CONNECT").await.unwrap();
    let mut goings = sys.subscribe("$SYS.ACCOUNT.*.DISCONNECT").await.unwrap();
    let mut refusals = sys.subscribe("$SYS.SERVER.*.CLIENT.AUTH.ERR").await.unwrap();
    let mut numbers = sys.subscribe("$SYS.ACCOUNT.APP.SERVER.CONNS").await.unwrap();
    sys.flush().await.unwrap();
    let app = login(&edge, "app").await;
    let came = next(&mut comings).await;
    assert_eq!(came["type"], "io.nats.server.advisory.v1.client_connect");
    let who = &came["client"];
    assert_eq!((&who["acc"], &who["user"], &who["name"]), (&json!("APP"), &json!("app"), &json!("app")));
    assert_eq!((&who["kind"], &who["client_type"]), (&json!("Client"), &json!("nats")));
    assert_eq!(next(&mut numbers).await["conns"], 1);
    // What came back has been counted, what was only flushed need not have.
    let mut own = app.subscribe("x").await.unwrap();
    app.publish("x", "12345".into()).await.unwrap();
    assert_eq!(next(&mut own).await, 12345);
    let cid = who["id"].as_u64().unwrap();
    let id = edge.broker.server().id();
    let kick = ask(&sys, &format!("$SYS.REQ.SERVER.{id}.KICK"), &format!(r#"{{"cid":{cid}}}"#)).await;
    assert!(kick["error"].is_null() && kick["server"]["id"] == id, "{kick}");
    let went = next(&mut goings).await;
    assert_eq!((&went["client"]["id"], &went["reason"]), (&json!(cid), &json!("Kicked")));
    assert_eq!(went["sent"], json!({"msgs": 1, "bytes": 5}));
    let refused = ConnectOptions::with_user_and_password("mallory".into(), "guess".into());
    assert!(refused.connect(edge.client_addr().to_string()).await.is_err());
    let refusal = next(&mut refusals).await;
    assert_eq!((&refusal["client"]["user"], &refusal["client"]["acc"]), (&json!("mallory"), &json!("$G")));
    assert_eq!(refusal["reason"], "Authentication Failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_tells_how_it_is_and_that_it_stops() {
    let edge = Edge::start(ACCOUNTS).await;
    let sys = login(&edge, "sys").await;
    let mut summaries = sys.subscribe("$SYS.SERVER.*.STATSZ").await.unwrap();
    let mut ends = sys.subscribe("$SYS.SERVER.*.SHUTDOWN").await.unwrap();
    sys.flush().await.unwrap();
    let summary = next(&mut summaries).await;
    assert_eq!((&summary["server"]["name"], &summary["statsz"]["connections"]), (&json!("edge"), &json!(1)));
    let Edge { broker, .. } = edge;
    let id = broker.server().id().to_owned();
    broker.shutdown().await;
    assert_eq!(next(&mut ends).await["id"], json!(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_can_be_told_to_go_elsewhere() {
    let edge = Edge::start("accounts { $SYS { users: [ { user: sys, password: sys } ] } }").await;
    let sys = login(&edge, "sys").await;
    let mut peer = kit::Peer::dial(edge.client_addr());
    let cid = peer.read_info()["client_id"].as_u64().unwrap();
    peer.send(&format!("CONNECT {}\r\n", kit::MODERN));
    peer.fence();
    let id = edge.broker.server().id();
    let told = ask(&sys, &format!("$SYS.REQ.SERVER.{id}.LDM"), &format!(r#"{{"cid":{cid}}}"#)).await;
    assert!(told["error"].is_null(), "{told}");
    assert_eq!(peer.read_info()["ldm"], true);
    let unknown = ask(&sys, &format!("$SYS.REQ.SERVER.{id}.KICK"), r#"{"cid":99}"#).await;
    assert_eq!(unknown["error"]["description"], "no such client or leafnode id");
    assert!(sys.request("$SYS.REQ.SERVER.PING.KICK", "".into()).await.is_err(), "not all servers at once");
}
