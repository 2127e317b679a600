//! The outbound queue against transports that take what they like.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Wake;

use super::*;

/// Takes at most so many bytes per call, then is full.
#[derive(Default)]
struct Pipe {
    taken: Mutex<Vec<u8>>,
    room: Mutex<VecDeque<usize>>,
}

impl Pipe {
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.room.lock().pop_front().unwrap_or(0);
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let taken = all.get(..room.min(all.len())).unwrap_or_default();
        self.taken.lock().extend_from_slice(taken);
        Ok(taken.len())
    }

    fn text(&self) -> String {
        String::from_utf8(self.taken.lock().clone()).unwrap()
    }
}

struct Inline(Arc<Pipe>);

impl InlineWriter for Inline {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(slices)
    }
}

struct Owner(Arc<Pipe>);

impl OwnerWriter for Owner {
    fn poll_write(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.0.write(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn with_inline(bytes_max: usize) -> (Outbound, Arc<Pipe>) {
    let outbound = Outbound::new(bytes_max);
    let pipe = Arc::new(Pipe::default());
    outbound.attach(Box::new(Inline(pipe.clone())));
    (outbound, pipe)
}

#[test]
fn what_the_socket_takes_is_written_by_whoever_flushes() {
    let (outbound, pipe) = with_inline(1000);
    pipe.room.lock().extend([3, 100]);
    outbound.push_line(b"hello ");
    outbound.push_line(b"world");
    outbound.flush();
    assert_eq!(pipe.text(), "hello world");
    assert_eq!(outbound.pending_bytes(), 0);
}

#[test]
fn only_the_first_push_of_a_batch_asks_for_a_flush() {
    let (outbound, _) = with_inline(1000);
    let later = |pushed| matches!(pushed, Pushed::Queued { flush_later: true, .. });
    assert!(later(outbound.push_line(b"a")));
    assert!(!later(outbound.push_line(b"b")));
    outbound.flush();
    assert!(later(outbound.push_line(b"c")));
}

#[test]
fn a_full_socket_leaves_the_rest_to_the_owner() {
    let (outbound, pipe) = with_inline(1000);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    outbound.register_owner(&waker);
    pipe.room.lock().extend([4]);
    outbound.send_line(b"0123456789");
    assert!(woken.0.load(Ordering::SeqCst));
    assert_eq!(pipe.text(), "0123");
    outbound.send_line(b"abc");
    assert_eq!(pipe.text(), "0123", "nobody overtakes the owner");
    let mut cx = Context::from_waker(&waker);
    pipe.room.lock().extend([2]);
    let progress = outbound.poll_owner(&mut cx, &mut Owner(pipe.clone()));
    assert_eq!(progress, OwnerProgress { written: 2, blocked: true });
    pipe.room.lock().extend([100, 100]);
    let progress = outbound.poll_owner(&mut cx, &mut Owner(pipe.clone()));
    assert_eq!(progress, OwnerProgress { written: 7, blocked: false });
    assert_eq!(pipe.text(), "0123456789abc");
}

#[test]
fn without_an_inline_writer_the_owner_writes_everything() {
    let outbound = Outbound::new(1000);
    let pipe = Arc::new(Pipe::default());
    outbound.send_line(b"hello");
    pipe.room.lock().extend([100]);
    outbound.poll_owner(&mut Context::from_waker(Waker::noop()), &mut Owner(pipe.clone()));
    assert_eq!(pipe.text(), "hello");
}

#[test]
fn more_than_the_limit_is_a_slow_consumer() {
    let (outbound, _) = with_inline(10);
    assert!(matches!(outbound.push_line(b"0123456"), Pushed::Queued { crowded: false, .. }));
    assert!(matches!(outbound.push_line(b"89"), Pushed::Queued { crowded: true, .. }));
    assert_eq!(outbound.push_line(b"ab"), Pushed::Refused);
    assert_eq!(outbound.close_reason(), Some(CloseReason::SlowConsumerPendingBytes));
    assert_eq!(outbound.pending_bytes(), 0);
}

#[test]
fn a_sealed_queue_still_sends_what_it_has() {
    let (outbound, pipe) = with_inline(100);
    outbound.push_line(b"last words");
    outbound.seal();
    assert_eq!(outbound.push_line(b"more"), Pushed::Refused);
    pipe.room.lock().extend([100]);
    outbound.flush();
    assert_eq!(pipe.text(), "last words");
}

#[test]
fn a_long_queue_keeps_its_order_across_pieces() {
    let (outbound, pipe) = with_inline(10_000_000);
    let mut expected = Vec::new();
    for n in 0..400usize {
        let line = vec![b'a' + (n % 26) as u8; n * 13];
        expected.extend_from_slice(&line);
        outbound.push(line.len(), 0, |out| out.extend_from_slice(&line));
    }
    pipe.room.lock().extend([70_001; 100]);
    outbound.flush();
    assert!(pipe.taken.lock().as_slice() == expected);
}

#[test]
fn many_writers_lose_nothing() {
    let (outbound, pipe) = with_inline(usize::MAX);
    pipe.room.lock().extend(std::iter::repeat_n(7, 100_000));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| outbound.send_line(b"0123456789")));
        }
    });
    assert_eq!(outbound.pending_bytes(), 0);
    assert_eq!(pipe.taken.lock().len(), 40_000);
}
