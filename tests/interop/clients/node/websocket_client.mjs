// The WebSocket side of nats-core: publishes to a stream and consumes it over wss. Arguments: URL, messages.

import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { wsconnect } from "@nats-io/transport-node";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const body = (index) => `${index}:${"x".repeat((index * 7919) % 9000)}`;

const nc = await wsconnect({ servers: url });
const jsm = await jetstreamManager(nc);
await jsm.streams.add({ name: "WEB", subjects: ["web.>"] });
await jsm.consumers.add("WEB", { durable_name: "reader", ack_policy: AckPolicy.Explicit });
const js = jetstream(nc);
for (let index = 0; index < count; index += 100) {
  const window = Array.from({ length: Math.min(100, count - index) }, (_, at) => index + at);
  await Promise.all(window.map((at) => js.publish(`web.${at % 7}`, body(at))));
}
const consumer = await js.consumers.get("WEB", "reader");
let got = 0;
for await (const message of await consumer.consume({ max_messages: 200 })) {
  if (message.string() !== body(got)) throw new Error(`message ${got} is another one: ${message.string()}`);
  await message.ackAck();
  if (++got === count) break;
}
console.log(`consumed ${got} over ${nc.getServer()}`);
await nc.close();
