//! The JSON of `CONNECT` and `INFO`.

use super::super::*;

#[test]
fn connect_understands_what_clients_send() {
    let json = br#"{"verbose":false,"pedantic":false,"tls_required":false,"name":"n","lang":"go","version":"1.40.0",
        "protocol":1,"echo":true,"headers":true,"no_responders":true,"user":"u","pass":"p","unknown":{"a":[1]}}"#;
    let options = ConnectOptions::parse(json).unwrap();
    assert!(!options.is_verbose() && !options.is_pedantic() && options.wants_echo());
    assert!(options.wants_headers() && options.wants_no_responders());
    assert_eq!((options.user.as_deref(), options.pass.as_deref()), (Some("u"), Some("p")));
    assert_eq!((options.protocol, options.lang.as_deref()), (Some(1), Some("go")));
}

#[test]
fn a_client_that_says_nothing_is_verbose_and_gets_no_headers() {
    for json in ["{}", "null", r#"{"verbose":null,"headers":null}"#] {
        let options = ConnectOptions::parse(json.as_bytes()).unwrap();
        assert_eq!(options, ConnectOptions::default(), "{json}");
        assert!(options.is_verbose() && options.is_pedantic() && options.wants_echo());
        assert!(!options.wants_headers() && !options.wants_no_responders());
    }
}

#[test]
fn connect_field_names_match_in_any_case() {
    let options = ConnectOptions::parse(br#"{"Verbose":false,"AUTH_TOKEN":"t"}"#).unwrap();
    assert_eq!((options.verbose, options.auth_token.as_deref()), (Some(false), Some("t")));
}

#[test]
fn a_second_connect_changes_only_what_it_names() {
    let mut options = ConnectOptions::parse(br#"{"verbose":false,"headers":true,"user":"u"}"#).unwrap();
    options.update(ConnectOptions::parse(br#"{"user":"v"}"#).unwrap());
    assert_eq!(
        (options.verbose, options.headers, options.user.as_deref()),
        (Some(false), Some(true), Some("v"))
    );
}

#[test]
fn connect_that_is_no_object_of_the_right_types_is_refused() {
    for json in ["", "{", "[]", "1", "{} x", r#"{"verbose":"yes"}"#, r#"{"pass":1}"#, r#"{"protocol":1.5}"#] {
        assert!(ConnectOptions::parse(json.as_bytes()).is_err(), "{json}");
    }
}

#[test]
fn connect_survives_bytes_that_are_no_utf8() {
    let options = ConnectOptions::parse(b"{\"name\":\"a\xff\"}").unwrap();
    assert_eq!(options.name.as_deref(), Some("a\u{fffd}"));
}

#[test]
fn info_is_written_in_order_without_what_says_nothing() {
    let info = Info {
        server_id: "NID".into(),
        server_name: "edge".into(),
        version: "2.15.1".into(),
        proto: 1,
        go: "rust".into(),
        host: "0.0.0.0".into(),
        port: 4222,
        headers: true,
        max_payload: 1_048_576,
        jetstream: true,
        client_id: 5,
        client_ip: "127.0.0.1".into(),
        api_lvl: 5,
        ..Info::default()
    };
    let mut out = Vec::new();
    encode_info(&mut out, &info);
    let expected = concat!(
        r#"INFO {"server_id":"NID","server_name":"edge","version":"2.15.1","proto":1,"go":"rust","host":"0.0.0.0","port":4222,"#,
        r#""headers":true,"max_payload":1048576,"jetstream":true,"client_id":5,"client_ip":"127.0.0.1","api_lvl":5} "#,
        "\r\n"
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(Info::parse(&info.to_json()).unwrap(), info);
}
