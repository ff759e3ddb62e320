//! Rounds of faults over one data folder, and the table of what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::Outcome;
use crate::checks::{check, converge};
use crate::faults::{Fault, Target, World, more_acknowledged};
use crate::load::Load;
use crate::model::Model;
use crate::prng::Prng;
use crate::processes::Jobs;

/// Faults of one round: five rounds bring each kind at least once.
const FAULTS_A_ROUND: usize = 3;
/// Acknowledged before the first fault of a round, and after its last.
const EVENTS_BEFORE: u64 = 10;
const EVENTS_AFTER: u64 = 20;

/// Keys in Redis of a document: what there is of live state, connections and presence, and what folds have left that died.
const KEYS_MAX: usize = 24;

/// What a fault was part of.
#[derive(Default)]
pub struct Row {
    pub times: u64,
    /// Events acknowledged in the rounds that it was part of.
    pub acknowledged: u64,
    pub lost: u64,
}

#[derive(Default)]
pub struct Table {
    pub rows: BTreeMap<Fault, Row>,
    pub lost: BTreeSet<u64>,
    pub snapshots_checked: usize,
    pub slowest: Duration,
    /// Keys in Redis of the document that had the most.
    pub keys_max: usize,
}

/// Kinds of faults in a random order, each as often as any other.
pub struct Bag {
    kinds: Vec<Fault>,
    left: Vec<Fault>,
}

impl Bag {
    pub fn new(kinds: Vec<Fault>) -> Bag {
        Bag { kinds, left: Vec::new() }
    }

    fn take(&mut self, prng: &mut Prng) -> Fault {
        if self.left.is_empty() {
            self.left.clone_from(&self.kinds);
            prng.shuffle(&mut self.left);
        }
        self.left.pop().expect("there is a kind of fault that this machine can make")
    }

    /// The faults of a round.
    fn round(&mut self, prng: &mut Prng) -> Vec<Fault> {
        (0..FAULTS_A_ROUND).map(|_| self.take(prng)).collect()
    }
}

/// One round. `Err` is what is wrong, a line each.
pub async fn round(
    number: usize,
    world: &mut World,
    bag: &mut Bag,
    load: &mut Load,
    model: &Model,
    table: &mut Table,
) -> Result<(), Vec<String>> {
    let mut faults = bag.round(&mut world.prng);
    let nested = faults[0].target() != faults[1].target() && world.prng.chance(50);
    if nested && faults[0].target() == Target::Stack {
        // A stack that does not run feels nothing.
        faults.swap(0, 1);
    }
    let names: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
    match (&names[..], nested) {
        ([outer, inner, more @ ..], true) => {
            println!("round {number}: {outer} and meanwhile {inner}; {}", more.join("; "));
        }
        (names, _) => println!("round {number}: {}", names.join("; ")),
    }

    let begun = Instant::now();
    let from = *model.acknowledged().borrow();
    load.resume(number, &mut world.prng);
    let inject = inject(world, &faults, nested, model).await;
    let mut wrong: Vec<String> = inject.err().into_iter().collect();
    let mut lost = BTreeSet::new();
    if wrong.is_empty() {
        load.settle(number);
        match converge(load, model, number).await {
            Ok(took) => table.slowest = table.slowest.max(took),
            Err(error) => wrong.push(error),
        }
        // Even where they do not converge: what is lost is worth knowing.
        let (jobs, ws_url) = (Jobs::running(&world.stack), world.stack.ws_url());
        let docs = load.docs();
        for doc in &docs {
            let keys = world.redis.keys_of(doc);
            table.keys_max = table.keys_max.max(keys);
            if keys > KEYS_MAX {
                wrong.push(format!("{doc} has {keys} keys in Redis, at most {KEYS_MAX} were expected"));
            }
        }
        let checks = docs.iter().map(|doc| check(&jobs, &ws_url, model, doc));
        for checked in join_all(checks).await {
            match checked {
                Ok(checked) => {
                    lost.extend(checked.lost);
                    wrong.extend(checked.wrong);
                    table.snapshots_checked += checked.snapshots;
                }
                Err(error) => wrong.push(error),
            }
        }
    }
    wrong.extend(world.stack.check().err());
    wrong.extend(model.take_wrong());
    let to = *model.acknowledged().borrow();
    println!("         {} events acknowledged, in {:.1} s", to - from, begun.elapsed().as_secs_f32());
    for fault in &faults {
        table.rows.entry(*fault).or_default().times += 1;
    }
    for fault in BTreeSet::from_iter(faults) {
        let row = table.rows.entry(fault).or_default();
        row.acknowledged += to - from;
        row.lost += lost.len() as u64;
    }
    table.lost.extend(lost);
    load.retire_latest();
    world.redis.forget_demoted();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

async fn inject(world: &mut World, faults: &[Fault], nested: bool, model: &Model) -> Outcome {
    let mut rest = faults;
    more_acknowledged(model, EVENTS_BEFORE).await?;
    if let ([outer, inner, more @ ..], true) = (faults, nested) {
        let outer = world.begin(*outer).await?;
        world.hold(&outer, model).await?;
        single(world, *inner, model).await?;
        world.end(outer).await?;
        rest = more;
    }
    for fault in rest {
        single(world, *fault, model).await?;
    }
    more_acknowledged(model, EVENTS_AFTER).await
}

async fn single(world: &mut World, fault: Fault, model: &Model) -> Outcome {
    let begun = world.begin(fault).await?;
    world.hold(&begun, model).await?;
    world.end(begun).await.map_err(|error| format!("after {}: {error}", fault.name()))
}

impl Table {
    pub fn print(&self, not_run: &[(Fault, &str)], acknowledged: u64) {
        println!("\n{:<36} {:>5} {:>12} {:>5}", "fault", "times", "acknowledged", "lost");
        for fault in Fault::ALL.iter().copied() {
            let name = fault.name();
            match (self.rows.get(&fault), not_run.iter().find(|(one, _)| *one == fault)) {
                (Some(row), _) => {
                    println!("{name:<36} {:>5} {:>12} {:>5}", row.times, row.acknowledged, row.lost);
                }
                (None, Some((_, reason))) => println!("{name:<36} not run: {reason}"),
                (None, None) => println!("{name:<36} {:>5}", 0),
            }
        }
        let times: u64 = self.rows.values().map(|row| row.times).sum();
        println!("{:<36} {times:>5} {acknowledged:>12} {:>5}", "together", self.lost.len());
    }
}
