"""The nats-py side of the crash test. See ../README.md for what a client must do and print."""

import asyncio
import hashlib
import sys

import nats
from nats.js.api import AckPolicy, ConsumerConfig, StorageType, StreamConfig

STREAM = "CRASH"
DURABLE = "worker"
REPLY_SECONDS_MAX = 2
FETCH_MESSAGES_MAX = 200


def payload(index):
    size = 40_000 if index % 500 == 0 else index * 7919 % 700
    state = (index * 2654435761 + 12345) & 0xFFFFFFFF
    body = bytearray(size)
    for at in range(size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        body[at] = state >> 24
    return bytes(body)


def say(*words):
    print(*words, flush=True)


async def insist(attempt):
    """Repeats an attempt until it succeeds: the broker is killed under it. The driver bounds the time."""
    while True:
        try:
            return await attempt()
        except Exception as error:
            print("again:", repr(error), file=sys.stderr)
            await asyncio.sleep(0.2)


async def publish_one(js, index):
    headers = {"Nats-Msg-Id": str(index), "Note": f"message {index}"}
    try:
        ack = await js.publish(f"crash.{index % 8}", payload(index), timeout=REPLY_SECONDS_MAX, headers=headers)
    except Exception as error:
        print("not acked:", index, repr(error), file=sys.stderr)
        return False
    say("ack", index, ack.seq)
    return True


async def publish_window(js, indexes):
    while indexes:
        acked = await asyncio.gather(*(publish_one(js, index) for index in indexes))
        indexes = [index for index, done in zip(indexes, acked) if not done]
        if indexes:
            await asyncio.sleep(0.2)


async def publish(js, count, window):
    config = StreamConfig(name=STREAM, subjects=["crash.*"], storage=StorageType.FILE)
    await insist(lambda: js.add_stream(config))
    for first in range(0, count, window):
        await publish_window(js, list(range(first, min(first + window, count))))


async def take(message):
    meta = message.metadata
    digest = hashlib.sha256(message.data).hexdigest()
    index = message.headers["Nats-Msg-Id"]
    say("got", meta.sequence.stream, meta.num_delivered, message.subject, index, digest)


async def confirm(message):
    try:
        await message.ack_sync(timeout=REPLY_SECONDS_MAX)
    except Exception as error:
        print("no ack of the ack:", repr(error), file=sys.stderr)
        return
    say("acked", message.metadata.sequence.stream)


async def fetch(subscription):
    try:
        return await subscription.fetch(FETCH_MESSAGES_MAX, timeout=1)
    except Exception as error:
        print("nothing fetched:", repr(error), file=sys.stderr)
        return []


async def consume(js, ack_wait):
    config = ConsumerConfig(
        durable_name=DURABLE, ack_policy=AckPolicy.EXPLICIT, ack_wait=ack_wait, max_ack_pending=1000
    )
    await insist(lambda: js.add_consumer(STREAM, config))
    subscription = await insist(lambda: js.pull_subscribe_bind(DURABLE, STREAM))
    while True:
        messages = await fetch(subscription)
        for message in messages:
            await take(message)
        await asyncio.gather(*(confirm(message) for message in messages))
        if not messages:
            info = await insist(lambda: js.consumer_info(STREAM, DURABLE))
            if info.num_pending == 0 and info.num_ack_pending == 0:
                return


async def ignore(_error=None):
    pass


async def main():
    phase, url, *numbers = sys.argv[1:]
    connection = await nats.connect(
        url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=ignore, allow_reconnect=True
    )
    js = connection.jetstream(timeout=REPLY_SECONDS_MAX)
    if phase == "publish":
        await publish(js, *map(int, numbers))
    else:
        await consume(js, *map(int, numbers))
    say("done")
    await connection.close()


asyncio.run(main())
