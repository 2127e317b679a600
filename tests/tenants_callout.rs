//! Auth callout: a service in some account decides who may log in (ADR-26).

mod kit;
mod tenants_support;

use data_encoding::BASE64URL_NOPAD;
use kit::users::login;
use kit::{Broker, Peer};
use nkeys::{KeyPair, XKey};
use serde_json::{Value, json};
use tenants_support::{TestOperator, TestUser, now, token};

const REFUSED: &str = "-ERR 'Authorization Violation'\r\n";

/// A broker whose callout service lives in AUTH.
fn broker(issuer: &KeyPair, more: &str) -> Broker {
    Broker::configured(&format!(
        "accounts {{
            AUTH {{ users: [{{user: auth, password: p}}] }}
            APP {{ users: [{{user: inside, password: p}}] }}
         }}
         authorization {{
            timeout: 1
            auth_callout {{ issuer: {}, account: AUTH, auth_users: [auth], {more} }}
         }}",
        issuer.public_key()
    ))
}

/// The service: a client that listens for requests.
struct Service {
    peer: Peer,
    issuer: KeyPair,
}

struct Request {
    claims: Value,
    reply: String,
}

impl Service {
    fn start(broker: &Broker, issuer: KeyPair) -> Self {
        let mut peer = broker.client(&login("auth", "p"));
        peer.send("SUB $SYS.REQ.USER.AUTH 1\r\n");
        peer.fence();
        Self { peer, issuer }
    }

    /// The next request: what it says, and where the answer goes.
    fn request(&mut self) -> Request {
        let line = self.peer.line();
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[..3], ["MSG", "$SYS.REQ.USER.AUTH", "1"], "{line}");
        let token = self.peer.take(words[4].parse().unwrap());
        Request { claims: claims_of(&token), reply: words[3].to_owned() }
    }

    /// Lets the client in with a token that says this.
    fn let_in(&mut self, request: &Request, account: &str, name: &str, nats: Value) {
        let user = request.claims["nats"]["user_nkey"].as_str().unwrap();
        let claims = json!({ "aud": account, "name": name });
        let token = token(&self.issuer, user, "user", nats, claims);
        self.answer(request, json!({ "jwt": token }));
    }

    fn answer(&mut self, request: &Request, nats: Value) {
        let answer = response(&self.issuer, request, nats);
        self.peer.send(&format!("PUB {} {}\r\n{answer}\r\n", request.reply, answer.len()));
    }
}

/// A response to this request.
fn response(issuer: &KeyPair, request: &Request, nats: Value) -> String {
    let user = request.claims["nats"]["user_nkey"].as_str().unwrap();
    let server = &request.claims["nats"]["server_id"]["id"];
    token(issuer, user, "authorization_response", nats, json!({ "aud": server }))
}

fn claims_of(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(body.as_bytes()).unwrap()).unwrap()
}

fn stranger(broker: &Broker) -> Peer {
    let mut peer = broker.peer();
    peer.send(
        "CONNECT {\"user\":\"joe\",\"pass\":\"secret\",\"name\":\"n\",\"verbose\":false,\"pedantic\":false}\r\n",
    );
    peer
}

#[test]
fn the_service_is_told_who_asks_and_places_the_user() {
    let issuer = KeyPair::new_account();
    let broker = broker(&issuer, "");
    let mut service = Service::start(&broker, issuer);
    let mut joe = stranger(&broker);
    let request = service.request();
    let nats = &request.claims["nats"];
    assert_eq!(request.claims["aud"], "nats-authorization-request");
    assert_eq!(request.claims["iss"], broker.server().id());
    assert_eq!(
        (&nats["connect_opts"]["user"], &nats["connect_opts"]["pass"]),
        (&"joe".into(), &"secret".into())
    );
    assert_eq!(
        (&nats["client_info"]["host"], &nats["client_info"]["type"]),
        (&"127.0.0.1".into(), &"nats".into())
    );
    service.let_in(&request, "APP", "joe", json!({ "pub": { "deny": ["secret"] } }));
    joe.send("SUB a 1\r\nPUB a 0\r\n\r\nPUB secret 0\r\n\r\n");
    joe.expect("MSG a 1 0\r\n\r\n-ERR 'Permissions Violation for Publish to \"secret\"'\r\n");
    let account = broker.server().clients().all().into_iter().filter_map(|client| client.account());
    assert!(account.into_iter().any(|account| &**account.name() == "APP"));
}

#[test]
fn whom_the_service_refuses_stays_out() {
    let issuer = KeyPair::new_account();
    let broker = broker(&issuer, "");
    let mut service = Service::start(&broker, issuer);
    let mut joe = stranger(&broker);
    let request = service.request();
    service.answer(&request, json!({ "error": "not today" }));
    joe.expect(REFUSED);
    joe.expect_closed();
    let mut ann = stranger(&broker);
    let request = service.request();
    service.peer.send(&format!("PUB {} 0\r\n\r\n", request.reply));
    ann.expect(REFUSED);
}

/// What a service might answer with, given its own key.
type UserToken<'a> = &'a dyn Fn(&Request, &KeyPair) -> String;

#[test]
fn an_answer_that_does_not_fit_lets_nobody_in() {
    let issuer = KeyPair::new_account();
    let broker = broker(&issuer, "");
    let mut service = Service::start(&broker, issuer);
    let user_of = |request: &Request| request.claims["nats"]["user_nkey"].as_str().unwrap().to_owned();
    let foreign = KeyPair::new_account();
    let cases: [UserToken; 5] = [
        // Signed by another.
        &|request, _| token(&foreign, &user_of(request), "user", json!({}), json!({ "aud": "APP" })),
        // For another user.
        &|_, own| token(own, &KeyPair::new_user().public_key(), "user", json!({}), json!({ "aud": "APP" })),
        // In no account there is.
        &|request, own| token(own, &user_of(request), "user", json!({}), json!({ "aud": "NOPE" })),
        // Over already.
        &|request, own| {
            token(own, &user_of(request), "user", json!({}), json!({ "aud": "APP", "exp": now() - 5 }))
        },
        &|_, _| "nonsense".to_owned(),
    ];
    for case in cases {
        let mut joe = stranger(&broker);
        let request = service.request();
        let token = case(&request, &service.issuer);
        service.answer(&request, json!({ "jwt": token }));
        joe.expect(REFUSED);
    }
}

#[test]
fn without_an_answer_in_time_nobody_gets_in() {
    let issuer = KeyPair::new_account();
    let broker = broker(&issuer, "");
    let mut nobody_listens = stranger(&broker);
    nobody_listens.expect(REFUSED);
    let mut service = Service::start(&broker, issuer);
    let mut joe = stranger(&broker);
    service.request();
    joe.expect(REFUSED);
    joe.expect_closed();
}

#[test]
fn users_of_delegated_accounts_are_asked_about_too_and_others_are_not() {
    let issuer = KeyPair::new_account();
    let broker = broker(&issuer, "allowed_accounts: [AUTH]");
    broker.client(&login("inside", "p"));
    let issuer = KeyPair::new_account();
    let broker = self::broker(&issuer, "allowed_accounts: [APP]");
    let mut service = Service::start(&broker, issuer);
    let mut inside = broker.peer();
    inside.send(&format!("CONNECT {}\r\n", login("inside", "p")));
    let request = service.request();
    service.let_in(&request, "APP", "inside", json!({}));
    inside.fence();
}

#[test]
fn nobody_in_the_services_account_can_pretend_to_be_the_server() {
    let issuer = KeyPair::new_account();
    let broker = broker(&issuer, "");
    let mut service = Service::start(&broker, issuer);
    service.peer.send("PUB $SYS.REQ.USER.AUTH 0\r\n\r\n");
    service.peer.expect("-ERR 'Permissions Violation for Publish to \"$SYS.REQ.USER.AUTH\"'\r\n");
}

#[test]
fn with_an_xkey_request_and_answer_are_sealed() {
    let (issuer, xkey) = (KeyPair::new_account(), XKey::new());
    let broker = broker(&issuer, &format!("xkey: {}", xkey.public_key()));
    let mut service = Service::start(&broker, issuer);
    let mut joe = stranger(&broker);
    let line = service.peer.line();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[0], "HMSG", "{line}");
    let content = service.peer.take_bytes(words[5].parse().unwrap());
    let (headers, sealed) = content.split_at(words[4].parse().unwrap());
    let headers = String::from_utf8(headers.to_vec()).unwrap();
    let key = headers.split("Nats-Server-Xkey: ").nth(1).unwrap().trim().to_owned();
    let server = XKey::from_public_key(&key).unwrap();
    let opened = String::from_utf8(xkey.open(sealed, &server).unwrap()).unwrap();
    let request = Request { claims: claims_of(&opened), reply: words[3].to_owned() };
    assert_eq!(request.claims["nats"]["server_id"]["xkey"], key);
    let user = request.claims["nats"]["user_nkey"].as_str().unwrap();
    let token = token(&service.issuer, user, "user", json!({}), json!({ "aud": "APP" }));
    let answer = response(&service.issuer, &request, json!({ "jwt": token }));
    let sealed = xkey.seal(answer.as_bytes(), &server).unwrap();
    let mut line = format!("PUB {} {}\r\n", request.reply, sealed.len()).into_bytes();
    line.extend_from_slice(&sealed);
    line.extend_from_slice(b"\r\n");
    service.peer.send_bytes(&line);
    joe.fence();
}

#[test]
fn in_operator_mode_the_account_delegates_by_its_token() {
    let (operator, account, target) = (TestOperator::new(), KeyPair::new_account(), KeyPair::new_account());
    let service_user = TestUser::of(&account, json!({}));
    let delegating = json!({ "authorization": {
        "auth_users": [service_user.key.public_key()], "allowed_accounts": [target.public_key()]
    } });
    let accounts = [operator.account(&account, delegating), operator.account(&target, json!({}))];
    let broker = Broker::configured(&operator.memory(&[&accounts[0], &accounts[1]]));
    let dial = |user: &TestUser| {
        let mut peer = broker.dial();
        let nonce = peer.read_info()["nonce"].as_str().unwrap().to_owned();
        peer.send(&user.connect(&nonce));
        peer
    };
    let mut peer = dial(&service_user);
    peer.send("SUB $SYS.REQ.USER.AUTH 1\r\n");
    peer.fence();
    let mut service = Service { peer, issuer: account };
    // A sentinel: it may do nothing itself.
    let sentinel = TestUser::of(&service.issuer, json!({ "bearer_token": true, "pub": { "deny": [">"] } }));
    let mut client = dial(&sentinel);
    let request = service.request();
    let user = request.claims["nats"]["user_nkey"].as_str().unwrap();
    let placed = token(&target, user, "user", json!({ "pub": { "allow": ["a"] } }), json!({ "name": "joe" }));
    service.answer(&request, json!({ "jwt": placed }));
    client.send("SUB a 1\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n");
    client.expect("MSG a 1 0\r\n\r\n-ERR 'Permissions Violation for Publish to \"b\"'\r\n");
    let mut other = dial(&sentinel);
    let request = service.request();
    let user = request.claims["nats"]["user_nkey"].as_str().unwrap();
    let strange = token(&KeyPair::new_account(), user, "user", json!({}), json!({}));
    service.answer(&request, json!({ "jwt": strange }));
    other.expect(REFUSED);
}
