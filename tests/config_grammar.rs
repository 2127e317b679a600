//! Variables, includes, bounds and spellings of nats.conf.

mod config_common;

use config_common::{Desk, config, refusal};
use headwater::config::grammar::{INCLUDE_DEPTH_MAX, NESTING_MAX, Value, digest, parse_text};

fn value_of_x(text: &str) -> Value {
    let map = parse_text(text, "c.conf", &Desk::default()).expect("the text is a configuration");
    map.get("x").expect("x is there").node.value.clone()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn a_value_is_what_it_looks_like() {
    let cases = [
        ("x: 5", Value::Integer(5)),
        ("x: -5", Value::Integer(-5)),
        ("x: 1.5", Value::Float(1.5)),
        ("x: -0.5\n", Value::Float(-0.5)),
        ("x: true", Value::Bool(true)),
        ("x: YES", Value::Bool(true)),
        ("x: Off", Value::Bool(false)),
        ("x: \"true\"", text("true")),
        ("x: 'a \"b\" \\n'", text("a \"b\" \\n")),
        (r#"x: "a\tb\x41\\\"""#, text("a\tbA\\\"")),
        (r#"x: "\xe2\x82\xac""#, text("€")),
        ("x: 10s", text("10s")),
        ("x: 2ms", text("2ms")),
        ("x: 1m30s", text("1m30s")),
        ("x: 1e5", text("1e5")),
        ("x: 127.0.0.1:4222", text("127.0.0.1:4222")),
        ("x: 127.0.0.1", text("127.0.0.1")),
        ("x: a#b", text("a#b")),
        ("x: (\nfirst ) line\n) \n)\n", text("\nfirst ) line\n) \n")),
        ("x: 2016-05-04T18:53:41Z", Value::DateTime("2016-05-04T18:53:41Z".to_owned())),
        (
            "x: $2a$11$3kIDaCxw.Glsl1.u5nKa6eUnNDLV5HV9tIuUp7EHhMt6Nm9myW1aS",
            text("$2a$11$3kIDaCxw.Glsl1.u5nKa6eUnNDLV5HV9tIuUp7EHhMt6Nm9myW1aS"),
        ),
        ("x:", text("")),
    ];
    for (written, expected) in cases {
        assert_eq!(value_of_x(written), expected, "{written}");
    }
}

#[test]
fn sizes_count_in_thousands_or_in_units_of_1024() {
    let cases = [
        ("1k", 1_000),
        ("1K", 1_000),
        ("2kb", 2_048),
        ("2KiB", 2_048),
        ("2Ki", 2_048),
        ("1m", 1_000_000),
        ("1MB", 1_048_576),
        ("64MiB", 67_108_864),
        ("10GiB", 10_737_418_240),
        ("1g", 1_000_000_000),
        ("1t", 1_000_000_000_000),
        ("1pb", 1_125_899_906_842_624),
        ("7e", 7_000_000_000_000_000_000),
    ];
    for (written, expected) in cases {
        assert_eq!(value_of_x(&format!("x: {written}")), Value::Integer(expected), "{written}");
    }
    assert_eq!(refusal("port: 10e"), "integer '10e' is out of the range");
}

#[test]
fn the_ways_to_write_an_entry_mean_the_same() {
    let expected = config("port: 4333\ndebug: true\n");
    let spellings = [
        "port = 4333\ndebug = true",
        "port 4333; debug on",
        "port: 4333, debug: yes",
        "{\"port\": 4333, \"debug\": true}",
        "{port: 4333\ndebug: true}",
        "# comment\nport: 4333 # more\ndebug: true // and more\n",
        "'port' 4333\n\"DEBUG\" TRUE",
        "port\n: 4333\ndebug\ntrue",
        "port: 1\nport: 4333\ndebug: true",
    ];
    for spelling in spellings {
        let mut got = config(spelling);
        got.source.clone_from(&expected.source);
        assert_eq!(got, expected, "{spelling}");
    }
}

#[test]
fn arrays_are_separated_by_commas_or_lines() {
    let expected = Value::Array(match value_of_x("x: [a, b]") {
        Value::Array(values) => values,
        other => panic!("{other:?} is no array"),
    });
    let kinds = |value: &Value| match value {
        Value::Array(values) => values.iter().map(|node| node.value.clone()).collect::<Vec<_>>(),
        other => panic!("{other:?} is no array"),
    };
    for written in ["x: [a,b,]", "x: [\n a\n b\n]", "x [ a // one\n b # two\n]", "x = [\"a\", 'b']"] {
        assert_eq!(kinds(&value_of_x(written)), kinds(&expected), "{written}");
    }
    assert_eq!(kinds(&value_of_x("x: [1]")), [Value::Integer(1)]);
}

#[test]
fn a_json_document_is_a_configuration() {
    let json = r#"{"port": 4333, "authorization": {"users": [{"user": "a", "password": "b"}], "timeout": 1.5},
                   "jetstream": {"max_mem": 1048576}, "server_tags": ["x", "y"]}"#;
    let conf = "port: 4333\nauthorization { users [ {user: a, password: b} ]\n timeout: 1.5 }\n\
                jetstream { max_mem: 1MB }\nserver_tags: [x, y]\n";
    let (mut from_json, from_conf) = (config(json), config(conf));
    assert_eq!(from_json.source, from_conf.source, "the digests are the same too");
    from_json.source.clone_from(&from_conf.source);
    assert_eq!(from_json, from_conf);
}

#[test]
fn a_variable_is_looked_up_from_the_inside_out_and_then_in_the_environment() {
    let desk = Desk::default().with_variable("PORT", "4555").with_variable("USERS", "[{user: e}]");
    let desk =
        desk.with_file("scoped.conf", "t: outer\nserver_name: $t\nauthorization { t: inner, token: $t }\n");
    assert_eq!(desk.read("scoped.conf").unwrap().authorization.token.unwrap().expose(), "inner");

    let desk = desk.with_file("outer.conf", "t: outer\nauthorization { token: $t }\n");
    assert_eq!(desk.read("outer.conf").unwrap().authorization.token.unwrap().expose(), "outer");

    let desk = desk.with_file("env.conf", "port: $PORT\nauthorization { users: $USERS }\n");
    let config = desk.read("env.conf").unwrap();
    assert_eq!(config.client.port, 4555);
    assert_eq!(config.users().next().unwrap().1.login.name(), "e");
}

#[test]
fn an_environment_variable_that_refers_to_itself_is_an_error() {
    let desk = Desk::default().with_variable("A", "$B").with_variable("B", "$A");
    let desk = desk.with_file("c.conf", "port: $A\n");
    let error = desk.read("c.conf").unwrap_err().to_string();
    assert!(error.contains("variable reference cycle for 'A'"), "{error}");
}

#[test]
fn an_include_is_found_beside_the_file_that_names_it() {
    let desk = Desk::default()
        .with_file("etc/main.conf", "include ./parts/users.conf\nport: $default_port\n")
        .with_file("etc/parts/users.conf", "include 'more.conf'\ndefault_port: 4777\n")
        .with_file("etc/parts/more.conf", "authorization {\n  include \"token.conf\"\n}\n")
        .with_file("etc/parts/token.conf", "token: s3cret\n");
    let config = desk.read("etc/main.conf").unwrap();
    assert_eq!(config.client.port, 4777);
    assert_eq!(config.authorization.token.unwrap().expose(), "s3cret");
}

#[test]
fn a_complaint_about_an_included_line_names_the_included_file() {
    let desk = Desk::default()
        .with_file("etc/main.conf", "port: 1\ninclude \"bad.conf\"\n")
        .with_file("etc/bad.conf", "debug: true\n\n  nonsense: 1\n");
    let error = desk.read("etc/main.conf").unwrap_err().to_string();
    assert_eq!(error, "etc/bad.conf:3:3: unknown field \"nonsense\"\n");
}

#[test]
fn files_that_include_each_other_end_with_an_error() {
    let desk =
        Desk::default().with_file("a.conf", "include b.conf\n").with_file("b.conf", "include a.conf\n");
    let error = desk.read("a.conf").unwrap_err().to_string();
    assert!(error.ends_with("includes are nested too deep"), "{error}");
    assert_eq!(error.matches("error parsing include file").count(), INCLUDE_DEPTH_MAX);
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!("x: {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse_text(&nested(NESTING_MAX), "c.conf", &Desk::default()).is_ok());
    let error = parse_text(&nested(NESTING_MAX + 1), "c.conf", &Desk::default()).unwrap_err().to_string();
    assert!(error.contains("nested deeper"), "{error}");
    assert!(parse_text(&"{".repeat(1_000_000), "c.conf", &Desk::default()).is_err());
    assert!(parse_text(&"x {".repeat(1_000_000), "c.conf", &Desk::default()).is_err());
}

#[test]
fn variables_cannot_blow_a_small_file_up_without_bound() {
    let mut text = String::from("v0: [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..30 {
        let list = vec![format!("$v{}", level - 1); 10].join(", ");
        text.push_str(&format!("v{level}: [{list}]\n"));
    }
    let error = parse_text(&text, "c.conf", &Desk::default()).unwrap_err().to_string();
    assert!(error.contains("too large"), "{error}");
}

#[test]
fn a_key_that_is_used_as_a_variable_need_not_be_a_directive() {
    config("my_port: 4333\nport: $my_port\nauthorization { pw: x, token: $pw }\n");
    assert_eq!(refusal("my_port: 4333\nport: 4222\n"), "c.conf:1:0: unknown field \"my_port\"");
}

#[test]
fn the_digest_is_that_of_the_values_not_of_the_text() {
    let of = |text: &str| digest(&parse_text(text, "c.conf", &Desk::default()).unwrap());
    assert_eq!(of("a: 1\nb: [x, y]\n"), of("# hello\nb [ 'x'\n \"y\" ]; a = 1"));
    assert_ne!(of("a: 1"), of("a: \"1\""));
    assert_eq!(of("port: 4000\n"), "sha256:82c4060818dd83bbb44ea4fc0a8e6b9d9aec81850286947f846f643a14dd056f");
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_named() {
    let desk = Desk::default();
    assert_eq!(desk.read("nope.conf").unwrap_err().to_string(), "open nope.conf: no such file or directory");
}
