//! Promise: a backup is the stream as it was, and one that cannot be brought back whole is not brought back at all.

#[path = "../interop/broker.rs"]
#[allow(dead_code)]
mod broker;
mod client;

use broker::Broker;
use client::{Chunk, Client};
use serde_json::{Value, json};

const WHOLE_CHUNK: usize = 1024;

/// A stream of 200 messages with gaps, headers, and a consumer in the middle of its work.
async fn fill(client: &Client) {
    client.ask("STREAM.CREATE.S", json!({"name": "S", "subjects": ["s.>"]})).await;
    for number in 1..=200 {
        client.publish(&format!("s.{}", number % 7), number, &format!("message {number}")).await;
    }
    for seq in [1, 77, 200] {
        client.ask("STREAM.MSG.DELETE.S", json!({"seq": seq})).await;
    }
    let consumer = json!({"durable_name": "C", "ack_policy": "explicit", "ack_wait": 3_600_000_000_000_u64});
    client.ask("CONSUMER.CREATE.S.C", json!({"stream_name": "S", "config": consumer})).await;
    for delivery in client.pull("S", "C", 5).await.into_iter().take(2) {
        client.acknowledge(&delivery).await;
    }
}

/// All that can be asked about the stream, apart from times that tell when it was asked.
async fn picture(client: &Client, stream: &str, consumers: &[&str]) -> Value {
    let info = client.ask(&format!("STREAM.INFO.{stream}"), json!({"deleted_details": true})).await;
    let mut picture = json!({"state": info["state"], "config": info["config"]});
    for seq in 1..=info["state"]["last_seq"].as_u64().unwrap() {
        let found = client.ask(&format!("STREAM.MSG.GET.{stream}"), json!({"seq": seq})).await;
        picture[format!("message {seq}")] = found["message"].clone();
    }
    for consumer in consumers {
        let mut info = client.ask(&format!("CONSUMER.INFO.{stream}.{consumer}"), json!({})).await;
        for part in ["delivered", "ack_floor"] {
            info[part].as_object_mut().unwrap().remove("last_active");
        }
        let told = ["config", "delivered", "ack_floor", "num_pending", "num_ack_pending", "num_redelivered"];
        picture[*consumer] = told.into_iter().map(|key| (key.to_owned(), info[key].clone())).collect();
    }
    picture
}

#[tokio::test]
async fn a_stream_comes_back_as_it_was() {
    let broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    fill(&client).await;
    let before = picture(&client, "S", &["C"]).await;
    let (answer, chunks) = client.backup("S", json!({"chunk_size": WHOLE_CHUNK})).await;
    client.ask("STREAM.DELETE.S", json!({})).await;
    let restored = client.restore("S", &answer, &chunks).await;
    assert_eq!(restored["state"]["messages"], 197, "{restored}");
    assert_eq!(picture(&client, "S", &["C"]).await, before);
    client.publish("s.new", 201, "goes on").await;
    assert_eq!(client.ask("STREAM.INFO.S", json!({})).await["state"]["last_seq"], 201);
}

#[tokio::test]
async fn a_restored_stream_is_on_disk_when_the_answer_comes() {
    let mut broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    fill(&client).await;
    let (answer, chunks) = client.backup("S", json!({})).await;
    client.ask("STREAM.DELETE.S", json!({})).await;
    client.restore("S", &answer, &chunks).await;
    let before = picture(&client, "S", &["C"]).await;
    broker.kill();
    broker.restart();
    let client = Client::connect(&broker).await;
    assert_eq!(picture(&client, "S", &["C"]).await, before);
}

#[tokio::test]
async fn a_memory_stream_can_be_restored_too() {
    let broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    let config = json!({"name": "M", "subjects": ["m"], "storage": "memory"});
    client.ask("STREAM.CREATE.M", config).await;
    client.publish("m", 1, "kept").await;
    let (answer, chunks) = client.backup("M", json!({})).await;
    client.ask("STREAM.DELETE.M", json!({})).await;
    client.restore("M", &answer, &chunks).await;
    let found = client.ask("STREAM.MSG.GET.M", json!({"seq": 1})).await;
    assert_eq!(found["message"]["subject"], "m");
}

#[tokio::test]
async fn no_more_chunks_come_than_are_confirmed() {
    let broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    fill(&client).await;
    let request = json!({"chunk_size": WHOLE_CHUNK, "window_size": 2 * WHOLE_CHUNK});
    let (_, mut chunks) = client.begin_backup("S", request).await;
    let (first, second) = (chunks.next().await, chunks.next().await);
    assert_eq!((first.payload.len(), second.payload.len()), (WHOLE_CHUNK, WHOLE_CHUNK));
    assert!(first.reply.ends_with(".1024.1") && second.reply.ends_with(".1024.2"), "{}", first.reply);
    client.fence().await;
    assert!(chunks.is_empty());
    client.confirm(&first).await;
    assert!(chunks.next().await.reply.ends_with(".1024.3"));
    client.fence().await;
    assert!(chunks.is_empty());
}

#[tokio::test]
async fn a_backup_ends_when_its_receiver_goes_away() {
    let broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    fill(&client).await;
    let mut events = client.subscribe("$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.S").await;
    let request = json!({"chunk_size": WHOLE_CHUNK, "window_size": WHOLE_CHUNK});
    let (_, mut chunks) = client.begin_backup("S", request).await;
    chunks.next().await;
    drop(chunks);
    client.fence().await;
    let event: Value = serde_json::from_slice(&events.next().await.payload).unwrap();
    assert_eq!(event["error"], "no interest");
}

#[tokio::test]
async fn a_flipped_bit_is_noticed_and_nothing_is_left_behind() {
    let broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    fill(&client).await;
    let (answer, chunks) = client.backup("S", json!({})).await;
    client.ask("STREAM.DELETE.S", json!({})).await;
    let bytes = chunks.concat();
    for at in (0..bytes.len()).step_by(bytes.len() / 20) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        let refused = client.restore("S", &answer, &[bad.into()]).await;
        assert_eq!(refused["error"]["err_code"], 10062, "byte {at}: {refused}");
        assert_eq!(client.ask("STREAM.INFO.S", json!({})).await["error"]["err_code"], 10059);
    }
    assert_eq!(client.restore("S", &answer, &chunks).await["state"]["messages"], 197);
}

#[tokio::test]
async fn a_backup_cut_short_leaves_nothing_behind() {
    let broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    fill(&client).await;
    let (answer, chunks) = client.backup("S", json!({"chunk_size": WHOLE_CHUNK})).await;
    client.ask("STREAM.DELETE.S", json!({})).await;
    for count in 0..chunks.len() {
        let refused = client.restore("S", &answer, &chunks[..count]).await;
        assert_eq!(refused["error"]["description"], "restore failed: backup was truncated");
    }
    assert_eq!(client.ask("STREAM.NAMES", json!({})).await["streams"], Value::Null);
}

#[tokio::test]
async fn a_restore_that_was_interrupted_leaves_nothing_behind() {
    let mut broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    fill(&client).await;
    let (answer, chunks) = client.backup("S", json!({"chunk_size": WHOLE_CHUNK})).await;
    client.ask("STREAM.DELETE.S", json!({})).await;
    let to = client.begin_restore("S", &answer).await;
    for chunk in &chunks {
        client.send_chunk(&to, chunk).await;
    }
    client.publish_to_a_new_stream().await;
    broker.kill();
    broker.restart();
    let client = Client::connect(&broker).await;
    assert_eq!(client.ask("STREAM.NAMES", json!({})).await["streams"], json!(["OTHER"]));
    assert!(broker.log().contains("The restore of stream 'S' was not finished"));
    assert_eq!(client.restore("S", &answer, &chunks).await["state"]["messages"], 197);
}

#[tokio::test]
async fn what_was_stored_in_the_meantime_is_in_nobodys_way() {
    let broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    fill(&client).await;
    let (answer, chunks) = client.backup("S", json!({})).await;
    let mut config = answer["config"].clone();
    let exists = client.ask("STREAM.RESTORE.S", json!({"config": config, "state": answer["state"]})).await;
    assert_eq!(exists["error"]["err_code"], 10130);
    client.ask("STREAM.DELETE.S", json!({})).await;
    client.ask("STREAM.CREATE.T", json!({"name": "T", "subjects": ["s.1"]})).await;
    let overlaps = client.restore("S", &answer, &chunks).await;
    assert_eq!(overlaps["error"]["err_code"], 10062, "{overlaps}");
    config["subjects"] = json!(["elsewhere.>"]);
    let answer = json!({"config": config, "state": answer["state"]});
    assert_eq!(client.restore("S", &answer, &chunks).await["state"]["messages"], 197);
}

#[tokio::test]
async fn a_restore_keeps_to_the_limits_of_the_account() {
    let broker = Broker::under_test_with("jetstream { max_file_store: 4KB }");
    let roomy = Broker::under_test();
    let client = Client::connect(&roomy).await;
    fill(&client).await;
    let (answer, chunks) = client.backup("S", json!({})).await;
    let client = Client::connect(&broker).await;
    let refused = client.restore("S", &answer, &chunks).await;
    assert_eq!(refused["error"]["err_code"], 10047, "{refused}");
    assert_eq!(client.ask("STREAM.NAMES", json!({})).await["streams"], Value::Null);
}

#[tokio::test]
async fn backups_of_nats_server_are_read_whatever_its_version() {
    let broker = Broker::under_test();
    let client = Client::connect(&broker).await;
    let versions: [(&str, &[u8]); 3] = [
        ("2.15.1", include_bytes!("nats-server-2.15.1.bin")),
        ("2.14.6", include_bytes!("nats-server-2.14.6.bin")),
        ("2.10.26", include_bytes!("nats-server-2.10.26.bin")),
    ];
    for (version, bytes) in versions {
        let answer = json!({"config": {"name": "ORDERS", "subjects": ["orders.>"]}, "state": {}});
        let chunks: Vec<Chunk> = bytes.chunks(1000).map(|chunk| chunk.to_vec().into()).collect();
        let restored = client.restore("ORDERS", &answer, &chunks).await;
        assert_eq!(restored["state"]["messages"], 83, "{version}: {restored}");
        check_orders(&picture(&client, "ORDERS", &["WORKER", "IDLE"]).await, version);
        client.ask("STREAM.DELETE.ORDERS", json!({})).await;
    }
}

/// As README.md beside the backups says.
fn check_orders(picture: &Value, version: &str) {
    let state = &picture["state"];
    let ends = [&state["first_seq"], &state["last_seq"], &state["num_deleted"], &state["num_subjects"]];
    assert_eq!(ends, [2, 100, 16, 6], "{version}");
    for number in 1..=100u64 {
        let message = &picture[format!("message {number}")];
        let gone = [1, 10, 11, 100].contains(&number) || number % 7 == 3;
        assert_eq!(message.is_null(), gone, "{version}: {number}");
        if !gone {
            let body = format!("order {number} ").repeat(number as usize % 5 + 1);
            assert_eq!(message["subject"], format!("orders.{}", number % 7));
            assert_eq!(message["data"], client::base64(body.as_bytes()), "{version}: {number}");
            assert_eq!(message["hdrs"].is_null(), number % 2 == 0, "{version}: {number}");
        }
    }
    let worker = &picture["WORKER"];
    assert_eq!([&worker["num_ack_pending"], &worker["num_redelivered"], &worker["num_pending"]], [5, 1, 73]);
    assert_eq!(worker["delivered"]["consumer_seq"], 11, "{version}");
    assert_eq!(picture["IDLE"]["num_pending"], 14, "{version}");
}
