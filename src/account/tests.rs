//! What an account promises to services and sessions.

use parking_lot::Mutex;

use super::*;
use crate::router::{ClientInfo, Receiver, Subscriber};

/// Remembers the subjects it got.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Service for Recorder {
    fn deliver(&self, _: &mut Dispatch, message: &Message<'_>) -> bool {
        self.0.lock().push(String::from_utf8_lossy(message.subject).into_owned());
        true
    }
}

impl InterestWatcher for Recorder {
    fn interest_changed(&self, subject: &[u8]) {
        self.0.lock().push(String::from_utf8_lossy(subject).into_owned());
    }
}

struct Absent;

impl Service for Absent {
    fn deliver(&self, _: &mut Dispatch, _: &Message<'_>) -> bool {
        false
    }
}

fn message(subject: &str) -> Message<'_> {
    Message { subject: subject.as_bytes(), payload: b"x", ..Message::default() }
}

fn client(account: &Account, cid: u64, subject: &str) -> (Arc<Subscriber>, Arc<Subscription>) {
    let subscriber = Arc::new(Subscriber::new(cid, 1 << 20));
    let sink = Sink::Client { subscriber: subscriber.clone(), sid: b"1".as_slice().into() };
    let subscription = Arc::new(Subscription::new(subject.as_bytes(), None, sink));
    assert!(subscriber.add(&subscription) && account.subscribe(&subscription));
    (subscriber, subscription)
}

#[test]
fn a_service_gets_what_it_subscribed_to_until_its_guard_is_dropped() {
    let account = Account::new("A");
    let recorder = Arc::new(Recorder::default());
    let guard = account.subscribe_service("a.*", None, recorder.clone()).unwrap();
    let mut cx = Dispatch::internal();
    assert!(account.publish(&mut cx, &message("a.b")));
    assert!(!account.publish(&mut cx, &message("b")));
    drop(guard);
    assert!(!account.publish(&mut cx, &message("a.b")));
    assert_eq!(recorder.taken(), ["a.b"]);
    assert_eq!(account.subscription_count(), 0);
}

#[test]
fn a_service_that_is_not_really_here_is_no_interest() {
    let account = Account::new("A");
    let _guard = account.subscribe_service("a", None, Arc::new(Absent)).unwrap();
    assert!(!account.publish(&mut Dispatch::internal(), &message("a")));
}

#[test]
fn a_message_can_be_routed_by_one_subject_and_shown_under_another() {
    let account = Account::new("A");
    let recorder = Arc::new(Recorder::default());
    let _guard = account.subscribe_service("inbox", None, recorder.clone()).unwrap();
    assert!(account.deliver_to(
        &mut Dispatch::internal(),
        &mut Route::default(),
        b"inbox",
        &message("orders.1")
    ));
    assert_eq!(recorder.taken(), ["orders.1"]);
}

#[test]
fn a_remembered_way_is_looked_for_again_when_somebody_comes_or_goes() {
    let account = Account::new("A");
    let (one, two) = (Arc::new(Recorder::default()), Arc::new(Recorder::default()));
    let (mut cx, mut route) = (Dispatch::internal(), Route::default());
    assert!(!account.deliver_to(&mut cx, &mut route, b"inbox", &message("nobody")));
    let first = account.subscribe_service("inbox", None, one.clone()).unwrap();
    assert!(account.deliver_to(&mut cx, &mut route, b"inbox", &message("one")));
    let _second = account.subscribe_service("*", None, two.clone()).unwrap();
    assert!(account.deliver_to(&mut cx, &mut route, b"inbox", &message("both")));
    drop(first);
    assert!(account.deliver_to(&mut cx, &mut route, b"inbox", &message("two")));
    assert!(!account.deliver_to(&mut cx, &mut route, b"in.box", &message("elsewhere")));
    assert_eq!(
        (one.taken(), two.taken()),
        (vec!["one".into(), "both".into()], vec!["both".into(), "two".into()])
    );
}

#[test]
fn delivery_to_a_queue_group_spares_everyone_else() {
    let account = Account::new("A");
    let (plain, one, two) =
        (Arc::new(Recorder::default()), Arc::new(Recorder::default()), Arc::new(Recorder::default()));
    let _plain = account.subscribe_service("s", None, plain.clone()).unwrap();
    let _one = account.subscribe_service("s", Some("one"), one.clone()).unwrap();
    let _two = account.subscribe_service("s", Some("two"), two.clone()).unwrap();
    assert!(account.has_queue_interest(b"s", b"one") && !account.has_queue_interest(b"s", b"three"));
    let (mut cx, mut route) = (Dispatch::internal(), Route::default());
    assert!(account.deliver_to_queue(&mut cx, &mut route, (b"s", b"one"), &message("m")));
    assert!(!account.deliver_to_queue(&mut cx, &mut route, (b"s", b"three"), &message("m")));
    assert_eq!((plain.taken().len(), one.taken().len(), two.taken().len()), (0, 1, 0));
}

#[test]
fn a_queue_member_that_refuses_is_passed_over() {
    let account = Account::new("A");
    let recorder = Arc::new(Recorder::default());
    let _absent: Vec<_> =
        (0..8).map(|_| account.subscribe_service("s", Some("q"), Arc::new(Absent)).unwrap()).collect();
    let _there = account.subscribe_service("s", Some("q"), recorder.clone()).unwrap();
    for _ in 0..50 {
        assert!(account.publish(&mut Dispatch::internal(), &message("s")));
    }
    assert_eq!(recorder.taken().len(), 50);
}

#[test]
fn watchers_are_told_of_subscriptions_that_match() {
    let account = Account::new("A");
    let recorder = Arc::new(Recorder::default());
    let weak = Arc::downgrade(&recorder);
    let watch = account.watch_interest(b"inbox.a.1", weak.clone());
    let _other = account.watch_interest(b"inbox.b.1", weak);
    for subject in ["inbox.a.1", "inbox.a.*", "inbox.*.1", ">", "inbox.a", "inbox.a.2", "inbox.a.1.x"] {
        drop(account.subscribe_service(subject, None, Arc::new(Absent)).unwrap());
    }
    let told = recorder.taken();
    assert_eq!(
        told.iter().filter(|subject| *subject == "inbox.a.1").count(),
        8,
        "four that match, coming and going"
    );
    assert_eq!(told.iter().filter(|subject| *subject == "inbox.b.1").count(), 4);
    drop(watch);
    drop(account.subscribe_service("inbox.a.1", None, Arc::new(Absent)).unwrap());
    assert!(recorder.taken().is_empty());
}

#[test]
fn a_message_that_leads_back_to_itself_ends() {
    struct Echo(Weak<Account>);
    impl Service for Echo {
        fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
            self.0.upgrade().into_iter().for_each(|account| _ = account.publish(cx, message));
            true
        }
    }
    let account = Account::new("A");
    let _guard = account.subscribe_service("s", None, Arc::new(Echo(Arc::downgrade(&account)))).unwrap();
    assert!(account.publish(&mut Dispatch::internal(), &message("s")));
}

#[test]
fn a_service_may_unsubscribe_itself_while_it_receives() {
    struct Once(Mutex<Option<ServiceSubscription>>);
    impl Service for Once {
        fn deliver(&self, _: &mut Dispatch, _: &Message<'_>) -> bool {
            self.0.lock().take().is_some()
        }
    }
    let account = Account::new("A");
    let once = Arc::new(Once(Mutex::new(None)));
    *once.0.lock() = Some(account.subscribe_service("s", None, once.clone()).unwrap());
    assert!(account.publish(&mut Dispatch::internal(), &message("s")));
    assert!(!account.publish(&mut Dispatch::internal(), &message("s")));
}

#[test]
fn an_auto_unsubscribe_ends_with_its_last_message() {
    let account = Account::new("A");
    let (subscriber, subscription) = client(&account, 1, "s");
    assert!(subscription.limit(2));
    let mut cx = Dispatch::internal();
    let delivered: Vec<bool> = (0..4).map(|_| account.publish(&mut cx, &message("s"))).collect();
    assert_eq!(delivered, [true, true, false, false]);
    assert_eq!((account.subscription_count(), subscriber.subscription_count()), (0, 0));
    assert_eq!(subscriber.outbound().totals(), (2, 2));
}

#[test]
fn a_client_without_echo_does_not_get_its_own_messages() {
    let account = Account::new("A");
    let (one, _) = client(&account, 1, "s");
    let info = Arc::new(ClientInfo { cid: 1, ..ClientInfo::default() });
    let mut cx = Dispatch::from_client(info.clone(), false);
    assert!(!account.publish(&mut cx, &message("s")));
    let mut cx = Dispatch::from_client(info, true);
    assert!(account.publish(&mut cx, &message("s")));
    assert_eq!(one.outbound().totals().0, 1);
}

#[test]
fn a_cached_route_notices_subscriptions_that_come_and_go() {
    let account = Account::new("A");
    let mut cache = RouteCache::default();
    let mut cx = Dispatch::internal();
    for _ in 0..3 {
        assert!(!account.publish_cached(&mut cx, &mut cache, &message("s")));
    }
    let recorder = Arc::new(Recorder::default());
    for filter in ["s", "*", ">"] {
        let guard = account.subscribe_service(filter, None, recorder.clone()).unwrap();
        assert!(account.publish_cached(&mut cx, &mut cache, &message("s")));
        drop(guard);
        assert!(!account.publish_cached(&mut cx, &mut cache, &message("s")));
    }
    assert_eq!(recorder.taken().len(), 3);
}

#[test]
fn connections_are_counted_up_to_the_limit() {
    let account = Account::new("A");
    account.limits().connections_max.store(1, Ordering::Relaxed);
    assert!(account.connect() && !account.connect());
    account.disconnect();
    assert!(account.connect());
}

#[test]
fn an_observer_sees_subscriptions_come_and_go() {
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);
    impl Log {
        fn note(&self, sign: char, subscription: &Subscription) {
            self.0.lock().push(format!("{sign}{}", String::from_utf8_lossy(subscription.subject())));
        }
    }
    impl SubscriptionObserver for Log {
        fn subscribed(&self, subscription: &Arc<Subscription>) {
            self.note('+', subscription);
        }
        fn unsubscribed(&self, subscription: &Arc<Subscription>) {
            self.note('-', subscription);
        }
    }
    let account = Account::new("A");
    let _before = account.subscribe_service("before", None, Arc::new(Absent)).unwrap();
    let log: Arc<Log> = Arc::default();
    let told: Weak<Log> = Arc::downgrade(&log);
    account.observe(told);
    drop(account.subscribe_service("a.*", None, Arc::new(Absent)).unwrap());
    account.for_each_subscription(&mut |subscription| log.note('=', subscription));
    assert_eq!(*log.0.lock(), ["+a.*", "-a.*", "=before"]);
}
