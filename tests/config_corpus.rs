//! What nats-server says of a configuration, this server says too: the same digest, the same complaint in the same place.

mod config_common;

use config_common::Desk;

const CORPUS: &str = include_str!("config_corpus.txt");

#[test]
fn every_configuration_of_the_corpus_gets_the_answer_of_nats_server() {
    let cases: Vec<(&str, &str)> = CORPUS.split("<<<\n").skip(1).map(split).collect();
    assert!(cases.len() > 150, "the corpus is there");
    let wrong: Vec<String> = cases.iter().filter_map(|(text, expected)| difference(text, expected)).collect();
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn split(case: &'static str) -> (&'static str, &'static str) {
    let (text, answer) = case.split_once("\n===\n").expect("a case has a text and an answer");
    (text, answer.trim_end_matches('\n'))
}

fn difference(text: &str, expected: &str) -> Option<String> {
    let answer = answer(text);
    (answer != expected).then(|| format!("--- {text}\nexpected: {expected}\n     got: {answer}"))
}

fn answer(text: &str) -> String {
    let desk = Desk::default().with_file("c.conf", text);
    let desk = desk.with_variable("X1", "5").with_variable("XS", "abc").with_variable("XCYC", "$XCYC");
    match desk.read("c.conf") {
        Err(error) => error.to_string().trim_end_matches('\n').to_owned(),
        Ok(config) if !config.warnings.is_empty() => config.warnings.join("\n"),
        Ok(config) => {
            let digest = config.source.map(|source| source.digest).unwrap_or_default();
            format!("configuration file c.conf is valid ({digest})")
        }
    }
}
