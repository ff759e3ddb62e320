//! Runs a target.

use std::cell::Cell;
use std::env;
use std::fs;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;

use crate::meter::Meter;

/// Attempts to make a failing input smaller.
const SHRINK_ATTEMPTS: usize = 20_000;
const SHRINK_TIME: Duration = Duration::from_secs(20);

/// A decoder.
pub struct Target {
    /// As the test and the folder of its corpus are called.
    pub name: &'static str,
    /// Inputs in a run without a time of its own.
    pub inputs: u64,
    /// Makes an input, from choices.
    pub make: fn(&mut Unstructured) -> arbitrary::Result<Vec<u8>>,
    /// Reads an input; panics if anything is wrong with what comes out.
    pub check: fn(&[u8], &mut Meter),
    /// Makes checksums right again in an input that was made smaller.
    pub seal: fn(&mut Vec<u8>),
}

/// For inputs without a checksum.
pub fn unsealed(_: &mut Vec<u8>) {}

impl Target {
    /// Replays the corpus, then makes inputs from the seed.
    pub fn run(&self) {
        let mut meter = Meter::default();
        if let Some(path) = env::var_os("INKLOG_FUZZ_INPUT") {
            return self.replay(Path::new(&path), &mut meter);
        }
        let corpus = files(&corpus_of(self.name));
        assert!(!corpus.is_empty(), "{} has no corpus", self.name);
        corpus.iter().for_each(|path| self.replay(path, &mut meter));
        let made = for_each_seed(self.name, self.inputs, |choices| {
            let Ok(input) = (self.make)(choices) else { return false };
            if let Err(why) = self.attempt(&input, &mut meter) {
                self.report(input, &why);
            }
            true
        });
        println!(
            "fuzz {}: {made} inputs and {} of the corpus, {} of them read; at most {:.0} bytes of memory for each of \
             an input's, {} KB in all; the slowest took {:.1?}",
            self.name,
            corpus.len(),
            meter.read,
            meter.most_each,
            meter.most / 1024,
            meter.slowest,
        );
    }

    fn replay(&self, path: &Path, meter: &mut Meter) {
        let input = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("fuzz {}: replays {}", self.name, path.display());
        (self.check)(&input, meter);
    }

    /// Why the input fails, if it does.
    fn attempt(&self, input: &[u8], meter: &mut Meter) -> Result<(), String> {
        quietly(|| catch_unwind(AssertUnwindSafe(|| (self.check)(input, meter)))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            text.unwrap_or_default()
        })
    }

    /// Shrinks a failing input, writes it to a file, and ends the test.
    fn report(&self, input: Vec<u8>, why: &str) -> ! {
        let before = input.len();
        let smaller = self.shrunk(input);
        let why = self.attempt(&smaller, &mut Meter::default()).err().unwrap_or_else(|| why.to_owned());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(self.name);
        fs::create_dir_all(&folder).expect("the folder can be made");
        let path = folder.join(format!("{:08x}", crc32fast::hash(&smaller)));
        fs::write(&path, &smaller).expect("the input can be kept");
        panic!(
            "{name} fails on {len} bytes (shrunk from {before}): {why}\n{shown}\n\
             Replay it: INKLOG_FUZZ_INPUT={path} cargo test --locked -p inklog-tests --test fuzz {name}\n\
             Once it is fixed, keep it: cp {path} tests/fuzz/corpus/{name}/WHAT_IT_IS",
            name = self.name,
            len = smaller.len(),
            shown = smaller[..smaller.len().min(2_000)].escape_ascii(),
            path = path.display(),
        );
    }

    /// The smallest input found that fails as well, for whatever reason.
    fn shrunk(&self, input: Vec<u8>) -> Vec<u8> {
        let begin = Instant::now();
        let mut attempts = 0;
        let mut best = input;
        let mut fails = |candidate: &mut Vec<u8>| {
            attempts += 1;
            (self.seal)(candidate);
            let is_over = attempts > SHRINK_ATTEMPTS || begin.elapsed() > SHRINK_TIME;
            !is_over && self.attempt(candidate, &mut Meter::default()).is_err()
        };
        loop {
            let before = best.clone();
            let mut size = best.len().div_ceil(2);
            while size > 0 {
                let mut from = 0;
                while from < best.len() {
                    let mut candidate = best.clone();
                    candidate.drain(from..(from + size).min(best.len()));
                    match fails(&mut candidate) && candidate.len() < best.len() {
                        true => best = candidate,
                        false => from += size,
                    }
                }
                size /= 2;
            }
            for at in 0..best.len() {
                for plain in [0, b'0', b'a', best[at] / 2] {
                    let mut candidate = best.clone();
                    candidate[at] = plain;
                    if plain < best[at] && fails(&mut candidate) && candidate.len() == best.len() {
                        best = candidate;
                        break;
                    }
                }
            }
            if best == before {
                return best;
            }
        }
    }
}

/// Calls with choices made from the seed, until there were `inputs` that count, or for as long as is asked for.
/// Returns how many counted.
pub fn for_each_seed(name: &str, inputs: u64, mut input: impl FnMut(&mut Unstructured) -> bool) -> u64 {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let seed = number("INKLOG_SEED").unwrap_or(1);
    let time = number("INKLOG_FUZZ_SECONDS").map(Duration::from_secs);
    println!("fuzz {name}: INKLOG_SEED={seed}");
    let begin = Instant::now();
    let (mut tried, mut counted) = (0, 0);
    let mut bytes = Vec::new();
    while time.map_or(counted < inputs, |time| begin.elapsed() < time) {
        let mixed = u64::from(crc32fast::hash(name.as_bytes())) << 32 ^ seed.rotate_left(17) ^ tried;
        let mut random = fastrand::Rng::with_seed(mixed);
        bytes.resize(1 << random.u32(4..13), 0);
        random.fill(&mut bytes);
        tried += 1;
        counted += u64::from(input(&mut Unstructured::new(&bytes)));
        assert!(tried < 1000 || counted > tried / 1000, "{name}: hardly any choices make an input");
    }
    counted
}

fn corpus_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Panics within are not printed: what is being shrunk panics a thousand times.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = work();
    QUIET.set(false);
    result
}

#[test]
fn every_folder_of_the_corpus_is_a_targets() {
    let names: Vec<&str> = crate::targets::ALL.iter().map(|target| target.name).collect();
    for folder in files(&corpus_of("")) {
        let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
        assert!(names.contains(&name.as_str()), "{name} is no target's");
        for file in files(&folder) {
            assert!(fs::metadata(&file).expect("a file").len() <= 4096, "{} is large", file.display());
        }
    }
}

#[test]
fn a_failure_is_found_and_shrunk_to_what_causes_it() {
    let target = Target {
        name: "planted",
        inputs: 100_000,
        make: |choices| Ok(choices.bytes(choices.len())?.to_vec()),
        check: |input, _| assert!(!input.contains(&0xee), "planted"),
        seal: unsealed,
    };
    let mut found = None;
    for_each_seed(target.name, target.inputs, |choices| {
        let input = (target.make)(choices).expect("there are bytes");
        if found.is_none() && target.attempt(&input, &mut Meter::default()).is_err() {
            found = Some(target.shrunk(input));
        }
        true
    });
    assert_eq!(found, Some(vec![0xee]));
}

#[test]
fn what_takes_too_much_memory_or_is_never_done_allocating_is_noticed() {
    let bound = crate::meter::Bound { each: 2, base: 100 };
    let costs = |work: fn()| quietly(|| catch_unwind(|| Meter::default().run(10, bound, work))).is_err();
    assert!(!costs(|| drop(Vec::<u8>::with_capacity(120))));
    assert!(costs(|| drop(Vec::<u8>::with_capacity(121))), "held at once");
    assert!(costs(|| (0..100).for_each(|_| drop(Vec::<u8>::with_capacity(100)))), "allocated in all");
}
