//! Faults that a real stream may cause and the embedded one never causes.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;

/// One delivery of (a part of) a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultyDelivery {
    /// The delay before it starts.
    pub delay: Duration,
    /// The records it brings, as indexes into the batch, in its order.
    pub records: Vec<usize>,
    /// Whether it runs beside the other deliveries of the batch, as when AWS hands a batch to a
    /// second invocation while the first still runs. Otherwise it waits for the ones before it.
    pub overlaps: bool,
}

/// Turns a batch into the deliveries that a function gets instead. Within AWS's guarantees: every record
/// arrives at least once, and the records of one item arrive in order, though earlier ones may be
/// repeated after later ones. Records that no delivery names are delivered at the end.
pub trait BatchFaults: Send + Sync + 'static {
    /// The deliveries of one batch. Retries after a failure are the mapping's own and come on top.
    fn deliveries(&self, batch: &[EventRecord]) -> Vec<FaultyDelivery>;
}

/// The deliveries for a batch, plus the records that the faults left out.
pub(super) fn plan(faults: &dyn BatchFaults, batch: &[EventRecord]) -> Vec<FaultyDelivery> {
    let mut plan = faults.deliveries(batch);
    for delivery in &mut plan {
        delivery.records.retain(|&at| at < batch.len());
    }
    plan.retain(|delivery| !delivery.records.is_empty());
    let named: HashSet<usize> = plan.iter().flat_map(|delivery| delivery.records.iter().copied()).collect();
    let forgotten: Vec<usize> = (0..batch.len()).filter(|at| !named.contains(at)).collect();
    if !forgotten.is_empty() {
        plan.push(FaultyDelivery { delay: Duration::ZERO, records: forgotten, overlaps: false });
    }
    plan
}

/// Faults drawn from a seed: the same seed and the same batches give the same deliveries.
#[derive(Debug)]
pub struct RandomFaults {
    state: Mutex<u64>,
    delay_max: Duration,
}

impl RandomFaults {
    /// Faults that delay a delivery by at most `delay_max`.
    pub fn new(seed: u64, delay_max: Duration) -> Self {
        Self { state: Mutex::new(seed), delay_max }
    }
}

impl BatchFaults for RandomFaults {
    fn deliveries(&self, batch: &[EventRecord]) -> Vec<FaultyDelivery> {
        let mut state = self.state.lock().expect("nothing panics while holding it");
        let mut below = |bound: usize| next(&mut state) as usize % bound.max(1);
        let order = shuffle_items(batch, &mut below);
        let mut plan = Vec::new();
        let mut start = 0;
        while start < order.len() {
            let len = if below(2) == 0 { order.len() - start } else { 1 + below(order.len() - start) };
            let records = order[start..start + len].to_vec();
            start += len;
            let mut delay = || match below(4) {
                0 => self.delay_max.mul_f64(below(1000) as f64 / 1000.0),
                _ => Duration::ZERO,
            };
            let first = delay();
            let again = delay();
            match below(4) {
                0 => plan.push(FaultyDelivery { delay: again, records: records.clone(), overlaps: true }),
                1 => plan.push(FaultyDelivery { delay: again, records: records.clone(), overlaps: false }),
                _ => {}
            }
            plan.push(FaultyDelivery { delay: first, records, overlaps: false });
        }
        plan
    }
}

/// A random order of the batch in which the records of one item keep theirs.
fn shuffle_items(batch: &[EventRecord], below: &mut impl FnMut(usize) -> usize) -> Vec<usize> {
    let mut items: Vec<Vec<usize>> = Vec::new();
    for (at, record) in batch.iter().enumerate() {
        match items.iter_mut().find(|item| batch[item[0]].change.keys == record.change.keys) {
            Some(item) => item.push(at),
            None => items.push(vec![at]),
        }
    }
    if below(2) == 0 {
        return (0..batch.len()).collect();
    }
    let mut order = Vec::with_capacity(batch.len());
    while !items.is_empty() {
        let item = below(items.len());
        order.push(items[item].remove(0));
        if items[item].is_empty() {
            items.swap_remove(item);
        }
    }
    order
}

/// SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators").
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn batch(items: &[&str]) -> Vec<EventRecord> {
        let record = |item: &&str| {
            let mut record = EventRecord::default();
            let key = serde_dynamo::AttributeValue::S((*item).to_owned());
            record.change.keys = HashMap::from([("id".to_owned(), key)]).into();
            record
        };
        items.iter().map(record).collect()
    }

    #[test]
    fn random_faults_keep_what_aws_promises() {
        let batch = batch(&["a", "b", "a", "c", "b", "a", "d"]);
        let mut seen_shapes = HashSet::new();
        for seed in 0..500 {
            let faults = RandomFaults::new(seed, Duration::from_millis(5));
            let plan = plan(&faults, &batch);
            assert_eq!(plan, super::plan(&RandomFaults::new(seed, Duration::from_millis(5)), &batch));
            let mut first_seen = Vec::new();
            for at in plan.iter().flat_map(|delivery| delivery.records.iter().copied()) {
                if !first_seen.contains(&at) {
                    first_seen.push(at);
                }
            }
            assert_eq!(first_seen.len(), batch.len(), "seed {seed}: every record comes");
            for item in ["a", "b", "c", "d"] {
                let key = serde_dynamo::AttributeValue::S(item.to_owned());
                let order: Vec<usize> =
                    first_seen.iter().copied().filter(|&at| batch[at].change.keys["id"] == key).collect();
                assert!(order.is_sorted(), "seed {seed}: item {item} came as {order:?}");
            }
            seen_shapes.insert((plan.len() > 1, first_seen.is_sorted()));
        }
        assert!(seen_shapes.contains(&(true, false)), "some batch is split and reordered");
    }

    #[test]
    fn what_faults_forget_is_delivered_all_the_same() {
        struct Forgetful;
        impl BatchFaults for Forgetful {
            fn deliveries(&self, _: &[EventRecord]) -> Vec<FaultyDelivery> {
                vec![FaultyDelivery { delay: Duration::ZERO, records: vec![1, 99], overlaps: false }]
            }
        }
        let records: Vec<_> =
            plan(&Forgetful, &batch(&["a", "b", "c"])).into_iter().map(|d| d.records).collect();
        assert_eq!(records, [vec![1], vec![0, 2]]);
    }
}
