// The transport-node and jetstream side of the crash test. See ../README.md for what a client must do and print.

import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, headers, nanos } from "@nats-io/transport-node";
import { AckPolicy, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";

const STREAM = "CRASH";
const DURABLE = "worker";
const REPLY_MS_MAX = 2000;
const FETCH_MESSAGES_MAX = 200;

function payload(index) {
  const size = index % 500 === 0 ? 40_000 : (index * 7919) % 700;
  let state = (Math.imul(index, 2654435761) + 12345) >>> 0;
  const body = new Uint8Array(size);
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    body[at] = state >>> 24;
  }
  return body;
}

const say = (...words) => writeSync(1, words.join(" ") + "\n");
const note = (...words) => writeSync(2, words.join(" ") + "\n");

// Repeats an attempt until it succeeds: the broker is killed under it. The driver bounds the time.
async function insist(attempt) {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      note("again:", error);
      await sleep(200);
    }
  }
}

async function publishOne(js, index) {
  const note_header = headers();
  note_header.set("Note", `message ${index}`);
  const options = { msgID: String(index), headers: note_header, timeout: REPLY_MS_MAX };
  try {
    const ack = await js.publish(`crash.${index % 8}`, payload(index), options);
    say("ack", index, ack.seq);
    return true;
  } catch (error) {
    note("not acked:", index, error);
    return false;
  }
}

async function publishWindow(js, indexes) {
  while (indexes.length > 0) {
    const acked = await Promise.all(indexes.map((index) => publishOne(js, index)));
    indexes = indexes.filter((_, at) => !acked[at]);
    if (indexes.length > 0) await sleep(200);
  }
}

async function publish(connection, count, window) {
  const manager = await insist(() => jetstreamManager(connection));
  await insist(() => manager.streams.add({ name: STREAM, subjects: ["crash.*"], storage: StorageType.File }));
  const js = jetstream(connection);
  for (let first = 0; first < count; first += window) {
    const size = Math.min(window, count - first);
    await publishWindow(js, Array.from({ length: size }, (_, at) => first + at));
  }
}

function take(message) {
  const digest = createHash("sha256").update(message.data).digest("hex");
  const { streamSequence, deliveryCount } = message.info;
  say("got", streamSequence, deliveryCount, message.subject, message.headers.get("Nats-Msg-Id"), digest);
}

async function confirm(message) {
  try {
    if (await message.ackAck({ timeout: REPLY_MS_MAX })) say("acked", message.seq);
  } catch (error) {
    note("no ack of the ack:", error);
  }
}

async function fetch(consumer) {
  const messages = [];
  try {
    for await (const message of await consumer.fetch({ max_messages: FETCH_MESSAGES_MAX, expires: 1000 })) {
      messages.push(message);
    }
  } catch (error) {
    note("fetch ended:", error);
  }
  return messages;
}

async function consume(connection, ackWaitSeconds) {
  const manager = await insist(() => jetstreamManager(connection));
  const config = {
    durable_name: DURABLE,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitSeconds * 1000),
    max_ack_pending: 1000,
  };
  await insist(() => manager.consumers.add(STREAM, config));
  const consumer = await insist(() => jetstream(connection).consumers.get(STREAM, DURABLE));
  for (;;) {
    const messages = await fetch(consumer);
    messages.forEach(take);
    await Promise.all(messages.map(confirm));
    if (messages.length > 0) continue;
    const info = await insist(() => manager.consumers.info(STREAM, DURABLE));
    if (info.num_pending === 0 && info.num_ack_pending === 0) return;
  }
}

const [phase, url, ...numbers] = process.argv.slice(2);
const connection = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
await (phase === "publish" ? publish : consume)(connection, ...numbers.map(Number));
say("done");
await connection.close();
