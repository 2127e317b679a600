// The nats.go side of the crash test. See ../README.md for what a client must do and print.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	streamName       = "CRASH"
	durableName      = "worker"
	replyTimeMax     = 2 * time.Second
	pause            = 200 * time.Millisecond
	fetchMessagesMax = 200
)

func payload(index int) []byte {
	size := index * 7919 % 700
	if index%500 == 0 {
		size = 40_000
	}
	state := uint32(index)*2654435761 + 12345
	body := make([]byte, size)
	for at := range body {
		state = state*1664525 + 1013904223
		body[at] = byte(state >> 24)
	}
	return body
}

func say(words ...any) { fmt.Fprintln(os.Stdout, words...) }

func note(words ...any) { fmt.Fprintln(os.Stderr, words...) }

// insist repeats an attempt until it succeeds: the broker is killed under it. The driver bounds the time.
func insist[T any](attempt func(ctx context.Context) (T, error)) T {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), replyTimeMax)
		result, err := attempt(ctx)
		cancel()
		if err == nil {
			return result
		}
		note("again:", err)
		time.Sleep(pause)
	}
}

func message(index int) *nats.Msg {
	msg := nats.NewMsg(fmt.Sprintf("crash.%d", index%8))
	msg.Header.Set("Note", fmt.Sprintf("message %d", index))
	msg.Data = payload(index)
	return msg
}

// publishOnce sends the messages of a window in order and returns those that were not acked.
func publishOnce(js jetstream.JetStream, indexes []int) (left []int) {
	futures := make([]jetstream.PubAckFuture, len(indexes))
	for at, index := range indexes {
		future, err := js.PublishMsgAsync(message(index), jetstream.WithMsgID(strconv.Itoa(index)))
		if err != nil {
			note("not sent:", index, err)
			continue
		}
		futures[at] = future
	}
	for at, index := range indexes {
		if !acked(index, futures[at]) {
			left = append(left, index)
		}
	}
	return left
}

func acked(index int, future jetstream.PubAckFuture) bool {
	if future == nil {
		return false
	}
	select {
	case ack := <-future.Ok():
		say("ack", index, ack.Sequence)
		return true
	case err := <-future.Err():
		note("not acked:", index, err)
	case <-time.After(2 * replyTimeMax):
		note("not acked:", index, "no answer")
	}
	return false
}

func publish(js jetstream.JetStream, count, window int) {
	config := jetstream.StreamConfig{Name: streamName, Subjects: []string{"crash.*"}, Storage: jetstream.FileStorage}
	insist(func(ctx context.Context) (jetstream.Stream, error) { return js.CreateStream(ctx, config) })
	for first := 0; first < count; first += window {
		var indexes []int
		for index := first; index < min(first+window, count); index++ {
			indexes = append(indexes, index)
		}
		for indexes = publishOnce(js, indexes); len(indexes) > 0; indexes = publishOnce(js, indexes) {
			time.Sleep(pause)
		}
	}
}

func take(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		panic(err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(msg.Data()))
	say("got", meta.Sequence.Stream, meta.NumDelivered, msg.Subject(), msg.Headers().Get("Nats-Msg-Id"), digest)
}

func confirm(msg jetstream.Msg) {
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeMax)
	defer cancel()
	if err := msg.DoubleAck(ctx); err != nil {
		note("no ack of the ack:", err)
		return
	}
	meta, _ := msg.Metadata()
	say("acked", meta.Sequence.Stream)
}

func fetch(consumer jetstream.Consumer) (messages []jetstream.Msg) {
	batch, err := consumer.Fetch(fetchMessagesMax, jetstream.FetchMaxWait(time.Second))
	if err != nil {
		note("nothing fetched:", err)
		return nil
	}
	for msg := range batch.Messages() {
		messages = append(messages, msg)
	}
	return messages
}

func confirmAll(messages []jetstream.Msg) {
	var group sync.WaitGroup
	for _, msg := range messages {
		group.Add(1)
		go func() {
			defer group.Done()
			confirm(msg)
		}()
	}
	group.Wait()
}

func consume(js jetstream.JetStream, ackWait time.Duration) {
	config := jetstream.ConsumerConfig{
		Durable: durableName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 1000,
	}
	consumer := insist(func(ctx context.Context) (jetstream.Consumer, error) {
		return js.CreateOrUpdateConsumer(ctx, streamName, config)
	})
	for {
		messages := fetch(consumer)
		for _, msg := range messages {
			take(msg)
		}
		confirmAll(messages)
		if len(messages) > 0 {
			continue
		}
		info := insist(consumer.Info)
		if info.NumPending == 0 && info.NumAckPending == 0 {
			return
		}
	}
}

func number(at int) int {
	value, err := strconv.Atoi(os.Args[at])
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	connection, err := nats.Connect(os.Args[2],
		nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		panic(err)
	}
	js, err := jetstream.New(connection, jetstream.WithPublishAsyncTimeout(replyTimeMax))
	if err != nil {
		panic(err)
	}
	if os.Args[1] == "publish" {
		publish(js, number(3), number(4))
	} else {
		consume(js, time.Duration(number(3))*time.Second)
	}
	say("done")
	connection.Close()
}
