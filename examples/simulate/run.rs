//! One run: a seed, step by step.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::broken::{Broken, Checked, check};
use crate::disk::{Faults, Lie, Mood, SimDisk};
use crate::model::Model;
use crate::model::restart::Crash;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::world::World;

/// Starts of the broker that may fail because the disk does.
const FAILED_STARTS_MAX: u64 = 4;

/// Tries to bring up a stream that the disk fails to read.
const TRIES_MAX: u64 = 3;

/// Rounds that the broker's tasks run after a step, at most.
const TASK_ROUNDS_MAX: u64 = 3;

/// A run under way.
pub struct Run {
    pub plan: Plan,
    pub world: World,
    pub model: Model,
    pub rng: Rng,
    pub trace: Trace,
    flips: u64,
    faulty: bool,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Stands for everything that happened.
    pub hash: u64,
    /// Steps made.
    pub steps: u64,
    /// What went wrong, at the last of them, and what led to it.
    pub broken: Option<(Broken, Vec<String>)>,
}

/// Makes a run of so many steps.
pub fn run(seed: u64, steps: u64, lie: Lie, aloud: bool) -> Outcome {
    let mut run = Run::new(seed, lie, aloud);
    let mut made = 0;
    let ended = catch_unwind(AssertUnwindSafe(|| run.go(steps, &mut made)));
    let broken = match ended {
        Ok(checked) => checked.err(),
        Err(panic) => Some(Broken::new("the broker does not panic", text_of(&*panic))),
    };
    let broken = broken.map(|broken| (broken, run.trace.last().map(str::to_owned).collect()));
    let hash = run.trace.hash();
    if broken.is_none() {
        run.world.end();
    }
    Outcome { hash, steps: made, broken }
}

impl Run {
    /// A run that has not begun.
    pub fn new(seed: u64, lie: Lie, aloud: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng, lie);
        let disk = SimDisk::new(rng.fork(), plan.capacity_bytes, lie);
        let world = World::new(disk, plan.options.clone(), rng.fork());
        let mut trace = Trace::new(aloud);
        trace.note(&format!("{plan:?}"));
        Self { plan, world, model: Model::default(), rng, trace, flips: 0, faulty: false }
    }

    fn go(&mut self, steps: u64, made: &mut u64) -> Checked {
        self.start(true)?;
        for step in 1..=steps {
            *made = step;
            self.trace.begin_step(step);
            self.step()?;
        }
        self.trace.begin_step(steps + 1);
        self.finish()
    }

    /// Notes an event.
    pub fn note(&mut self, event: impl FnOnce() -> String) {
        self.trace.note(&event());
    }

    fn step(&mut self) -> Checked {
        self.world.tick();
        self.something_happens()?;
        let rounds = self.rng.below(TASK_ROUNDS_MAX + 1);
        self.world.run_tasks(rounds);
        self.look()?;
        let unlucky = self.rng.one_in(self.plan.crashes);
        let failed = self.world.store_failed() && self.rng.one_in(5);
        if self.world.disk.is_down() || unlucky || (failed && self.rng.percent(30)) {
            self.crash()
        } else if failed {
            self.reopen()
        } else {
            Ok(())
        }
    }

    fn something_happens(&mut self) -> Checked {
        if self.rng.one_in(self.plan.time) {
            self.let_time_pass();
        } else if self.rng.one_in(self.plan.commits) {
            let done = self.world.with_store(|store| store.commit());
            self.note(|| format!("commit {done:?}"));
        } else if self.rng.one_in(self.plan.upkeep) {
            let done = self.world.with_store(|store| store.maintain());
            self.note(|| format!("upkeep {done:?}"));
        } else if self.plan.faults != Faults::default() && self.rng.one_in(self.plan.faults_change) {
            self.faulty = !self.faulty;
            self.set_faults(0);
        } else if self.plan.power_cuts && self.rng.one_in(self.plan.crashes) {
            let calls = self.rng.between(1, 30);
            self.set_faults(calls);
        } else {
            self.do_something();
        }
        Ok(())
    }

    fn set_faults(&mut self, power_goes_in: u64) {
        let faults = if self.faulty { self.plan.faults } else { Faults::default() };
        let faults = Faults { power_goes_in, ..faults };
        self.note(|| format!("from now on {faults:?}"));
        self.world.disk.set_faults(faults);
    }

    fn let_time_pass(&mut self) {
        let most = match self.rng.below(4) {
            0 => self.plan.longest_pause,
            1 => self.plan.longest_pause / 10,
            _ => 1_000_000,
        };
        let nanos = self.rng.between(1, most.max(1));
        self.note(|| format!("{nanos} ns pass"));
        self.world.pass(nanos as i64);
    }

    /// Looks at the broker's memory, then reads what clients were sent.
    pub fn look(&mut self) -> Checked {
        self.model.in_the_dark = self.world.disk.is_down();
        if !self.model.in_the_dark {
            let model = &mut self.model;
            let world = &self.world;
            world.disk.undisturbed(|| model.observe(world))?;
        }
        self.hear()
    }

    /// Reads what clients were sent.
    fn hear(&mut self) -> Checked {
        for received in self.world.take_received() {
            self.note(|| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "|");
                let (subject, reply, headers) =
                    (text(&received.subject), text(&received.reply), text(&received.headers));
                let payload = if reply.is_empty() {
                    text(&received.payload)
                } else {
                    format!("{} bytes", received.payload.len())
                };
                format!("  ← {subject} {reply} {headers} {payload}")
            });
            self.model.receive(&received)?;
        }
        Ok(())
    }

    /// The broker opens the store anew, which has failed.
    fn reopen(&mut self) -> Checked {
        self.world.suspend();
        self.hear()?;
        let reopened = self.world.recover();
        self.note(|| format!("opened anew {reopened:?}"));
        if self.world.disk.is_down() || reopened.is_err() || !self.is_brought_up() {
            return self.crash();
        }
        self.check_start(Crash { reopened: true, orderly: false, flips: self.flips })
    }

    fn check_start(&mut self, crash: Crash) -> Checked {
        let (model, world) = (&mut self.model, &self.world);
        world.disk.undisturbed(|| model.check_restart(world, crash))
    }

    fn crash(&mut self) -> Checked {
        let down = self.world.disk.is_down();
        let failed = self.world.store_failed();
        let orderly = !down && !failed && !self.faulty && self.rng.percent(20);
        if orderly {
            self.note(|| "the broker stops in good order".to_owned());
            self.set_faults(0);
            self.world.stop();
        } else if down || (self.plan.power_cuts && self.rng.percent(60)) {
            let mood = Mood::any(&mut self.rng);
            self.note(|| format!("the power goes, {mood:?}"));
            self.world.end();
            self.world.disk.cut_power(mood);
        } else {
            self.note(|| "the broker is killed".to_owned());
            self.world.kill();
        }
        self.model.broker_died();
        // Damage in a commit that nothing vouches for cannot be told from one that was never finished.
        let flips = if orderly { self.plan.flips } else { 0 };
        if self.rng.one_in(flips) {
            if let Some(place) = self.world.disk.flip_bit() {
                self.flips += 1;
                self.note(|| format!("a bit flips: {place}"));
            }
        }
        self.start(orderly)
    }

    /// Starts the broker, until it is there, and looks at what it holds.
    pub fn start(&mut self, orderly: bool) -> Checked {
        for attempt in 0.. {
            let last = attempt == FAILED_STARTS_MAX;
            self.faulty &= !last;
            let power_goes = self.plan.power_cuts && !last && !orderly && self.rng.percent(10);
            let calls = if power_goes { self.rng.between(1, 60) } else { 0 };
            self.set_faults(calls);
            if std::env::var("SIM_DUMP").is_ok() {
                crate::dump::dump(&self.world.disk);
            }
            let started = self.world.start();
            self.note(|| format!("start {started:?}"));
            for host in self.world.hosts() {
                let log = host.lock().log.state();
                self.note(|| format!("  number {} {}: {log:?}", host.id.0, host.name));
            }
            match started {
                Ok(()) if !self.world.disk.is_down() && self.is_brought_up() => break,
                Err(error) if last => return Err(Broken::new("the broker starts on a sound disk", error)),
                _ if self.world.disk.is_down() => {
                    self.world.end();
                    self.world.disk.cut_power(Mood::any(&mut self.rng));
                }
                _ => self.world.kill(),
            }
        }
        self.check_start(Crash { reopened: false, orderly, flips: self.flips })
    }

    /// Whether all streams are served, after some more tries if the disk fails to read them. If not, the store may have failed
    /// meanwhile, or the operator loses patience.
    fn is_brought_up(&mut self) -> bool {
        let tries = (0..TRIES_MAX).take_while(|_| !self.world.unserved().is_empty());
        let made = tries.filter(|_| !self.world.bring_up_rest()).count();
        if made > 0 {
            self.note(|| format!("streams could not be read {made} times"));
        }
        self.world.unserved().is_empty() || !self.faulty
    }

    /// Brings everything to rest and looks at it once more.
    fn finish(&mut self) -> Checked {
        self.faulty = false;
        self.world.disk.set_capacity(1 << 40);
        if self.world.disk.is_down() || self.world.store_failed() {
            self.crash()?;
        }
        self.set_faults(0);
        self.settle_down()?;
        self.model.broker_died();
        self.note(|| "the broker stops in good order".to_owned());
        self.world.stop();
        self.start(true)?;
        self.look()?;
        let failed = self.world.store_failed();
        check(!failed, || "the store works on a sound disk".to_owned(), || "it has failed".to_owned())
    }

    /// Lets everything be written that is to be.
    fn settle_down(&mut self) -> Checked {
        for _ in 0..8 {
            let done = self.world.with_store(|store| store.maintain());
            self.note(|| format!("upkeep {done:?}"));
            self.world.pass(200_000_000);
            self.world.run_tasks(5);
            self.look()?;
        }
        Ok(())
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
