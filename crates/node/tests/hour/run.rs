//! One run: rounds of users at work while things go wrong; then all is healed, everybody waits, and
//! everything is compared. Called by `main`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine::path::Name;
use libtest_mimic::Failed;
use sim::checkers::digest_of;
use sim::random::Random;
use sim::swarm::Options;
use sim::users::{Town, ANCHOR};

use crate::account::Account;
use crate::hands::{Done, Hands};
use crate::lab::{self, until, Lab, Outcome, FOLDER};
use crate::tree;
use crate::weather::Weather;

/// Steps of a round.
const STEPS: [usize; 6] = [3, 6, 6, 15, 40, 120];
/// In so many of 1,000 rounds one machine is cut off from beginning to end.
const APART: usize = 400;
/// In so many nothing is removed: what loses has to be kept.
const GENTLE: usize = 300;
/// After so many a person says of one conflict which version stays.
const DECIDES: usize = 200;
/// How long users rest between two steps, in milliseconds. The pace of people, and no
/// synchronisation: everything at once would be over before the first cable is out.
const PACE_MS: [u64; 4] = [0, 0, 5, 20];
/// The stream of chance that says what goes wrong.
const STREAM: u64 = 5;
/// Lines of the story that are told of each thing that is wrong.
const LINES_MAX: usize = 25;
/// What is wrong, as far as it is told.
const FAULTS_MAX: usize = 6;
/// Seconds between two lines that say how far it is.
const REPORT: Duration = Duration::from_secs(60);

/// The second machine has its tree on an ext4 of this size, if there can be one; all else lies in
/// memory.
const IMAGE_BYTES: u64 = 1 << 30;

/// See the module's head.
struct Run {
    lab: Lab,
    town: Town,
    hands: Vec<Hands>,
    weather: Weather,
    account: Account,
    random: Random,
    begun: Instant,
    seed: u64,
    steps: usize,
    rounds: u64,
    /// Rests at which the second look was the first that found all the same.
    second_looks: u64,
}

/// Lets users work for so long, and ends with a rest.
pub fn run(seed: u64, length: Duration, options: Options) -> Outcome {
    println!("hour: seed {seed}, {} s", length.as_secs());
    let mut run = Run::new(seed, options)?;
    let mut reported = run.begun;
    while run.begun.elapsed() < length {
        if let Err(error) = run.round() {
            let words = error.message().unwrap_or("?").to_owned();
            return Err(run.trouble(&words));
        }
        if reported.elapsed() > REPORT {
            reported = Instant::now();
            println!("hour: {}", run.figures());
        }
    }
    println!("hour: {}\n{}", run.figures(), run.kinds());
    Ok(())
}

impl Run {
    fn new(seed: u64, options: Options) -> Outcome<Run> {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let mut lab = Lab::machines(&["a", "b", "c"])?;
        if lab::no_images().is_none() {
            lab.image_volume_of(1, IMAGE_BYTES)?;
        }
        let anchor = Name::new(ANCHOR).map_err(|_| "no name")?;
        fs::write(lab.nodes[0].tree.join(anchor.to_string()), ANCHOR)?;
        lab.found()?;
        lab.join_others()?;
        let mut town = Town::new(seed, options);
        town.story = Some(Vec::new());
        let hands: Vec<Hands> = (0..lab.nodes.len()).map(|_| Hands::default()).collect();
        for (at, hands) in hands.iter().enumerate() {
            let (root, state) = hands.seat();
            town.settle(root, state);
            town.census.begins(at);
        }
        let mut account = Account::default();
        let anchored = Done { contents: vec![digest_of(ANCHOR)], ..Done::default() };
        account.hear(0, &anchored, 0, &mut town.census);
        Ok(Run {
            lab,
            town,
            hands,
            weather: Weather::default(),
            account,
            random: Random::new(seed, STREAM),
            begun: Instant::now(),
            seed,
            steps: 0,
            rounds: 0,
            second_looks: 0,
        })
    }

    fn round(&mut self) -> Outcome {
        self.rounds += 1;
        let steps = self.random.pick(&STEPS);
        self.town.options.gentle = usize::from(self.random.chance(GENTLE));
        if self.random.chance(APART) {
            let at = self.random.below(self.hands.len());
            let what = self.weather.cut_off(&self.lab, at, steps + 1)?;
            self.town.tell(|| what);
        }
        for _ in 0..steps {
            self.town.now_ms = u64::try_from(self.begun.elapsed().as_millis())?;
            if let Some(what) = self.weather.change(&mut self.lab, &mut self.random)? {
                self.town.tell(|| what);
            }
            let at = self.random.below(self.hands.len());
            self.user(at, false)?;
            std::thread::park_timeout(Duration::from_millis(self.random.pick(&PACE_MS)));
        }
        for at in 0..self.hands.len() {
            self.user(at, true)?;
        }
        self.weather.heal(&mut self.lab)?;
        self.town.tell(|| "all is healed".to_owned());
        self.rest()?;
        let at = self.random.below(self.hands.len());
        let node = &self.lab.nodes[at];
        self.account.read_losers(node)?;
        if self.random.chance(DECIDES) {
            let keeps = self.random.chance(500);
            let what = self.account.decide(node, keeps, &mut self.town.census)?;
            self.town.tell(|| what);
        }
        Ok(())
    }

    /// A user does something, or ends what was begun.
    fn user(&mut self, at: usize, finishes: bool) -> Outcome {
        let (town, node) = (&mut self.town, &self.lab.nodes[at]);
        self.steps += 1;
        let line = town.story.as_ref().map_or(0, Vec::len);
        let done =
            self.hands[at].act(node, self.weather.is_frozen(at), |model| match finishes {
                true => town.finish(at, model),
                false => town.act(at, model),
            })?;
        self.account.hear(at, &done, line, &mut town.census);
        Ok(())
    }

    /// Everybody waits until all nodes have all; then everything is compared.
    fn rest(&mut self) -> Outcome {
        let mut looks = 0;
        until("all nodes are the same and have nothing to do", || {
            looks += 1;
            for node in &self.lab.nodes {
                node.ok(&["wait", FOLDER, "--all", "--timeout", "60s"])?;
            }
            let mut is_done = true;
            for node in &self.lab.nodes {
                let folder = node.folder()?;
                is_done &= folder.pending == 0 && folder.backlog == 0;
            }
            // What goes while it is read is a difference, too.
            let is_same = self.differences().is_ok_and(|found| found.is_empty());
            Ok((is_done && is_same).then_some(()))
        })
        .map_err(|error| {
            let mut words = error.message().unwrap_or("?").to_owned();
            for line in self.differences().unwrap_or_default().iter().take(FAULTS_MAX) {
                let place = line.split(':').nth(1).unwrap_or("").trim();
                let _ = write!(words, "\n  {line}{}", self.story_of(place));
            }
            words
        })?;
        self.second_looks += u64::from(looks > 1);
        let faults = self.account.at_rest(&self.lab, &mut self.town.census)?;
        if faults.is_empty() {
            return Ok(());
        }
        let mut words = format!("{} faults at rest", faults.len());
        for (what, digest) in faults.iter().take(FAULTS_MAX) {
            let line = self.account.step_of(digest).unwrap_or(0);
            let story = self.town.story.as_deref().unwrap_or_default();
            let _ = write!(words, "\n  {what} ({digest}), written about here:");
            for line in story.iter().skip(line).take(3) {
                let _ = write!(words, "\n    {line}");
            }
        }
        Err(words.into())
    }

    /// How the other trees differ from the first, a line each: node: path: what.
    fn differences(&self) -> Outcome<Vec<String>> {
        let first = tree::read(&self.lab.nodes[0].tree)?;
        let mut all = Vec::new();
        for node in &self.lab.nodes[1..] {
            let found = tree::differences(&first, &tree::read(&node.tree)?);
            all.extend(found.into_iter().map(|line| format!("{}: {line}", node.name)));
        }
        Ok(all)
    }

    /// The last lines of the story that name a path.
    fn story_of(&self, place: &str) -> String {
        let story = self.town.story.as_deref().unwrap_or_default().iter().rev();
        let last: Vec<_> = story.filter(|line| line.contains(place)).take(LINES_MAX).collect();
        last.into_iter().rev().fold(String::new(), |all, line| all + "\n    " + line)
    }

    /// All that is known of a failure; machines, logs and story are kept.
    fn trouble(&self, words: &str) -> Failed {
        let keep = std::env::var_os("HOUR_KEEP").map(PathBuf::from).unwrap_or_else(|| {
            std::env::temp_dir().join(format!("syncline-hour-{}-kept", std::process::id()))
        });
        self.lab.nodes.iter().for_each(|node| node.keep(&keep));
        let story = self.town.story.as_deref().unwrap_or_default().join("\n");
        if let Err(error) = fs::write(keep.join("story"), story) {
            eprintln!("hour: no story in {}: {error}", keep.display());
        }
        let what = format!("{}; all is kept in {}", self.figures(), keep.display());
        self.lab.trouble(&what, words)
    }

    fn figures(&self) -> String {
        let secs = self.begun.elapsed().as_secs();
        format!(
            "seed {}, {secs} s, {} operations of users in {} steps, {} rounds, {} second looks, \
             went wrong: {}; {:?}",
            self.seed,
            self.town.operations,
            self.steps,
            self.rounds,
            self.second_looks,
            self.weather.counts,
            self.account.figures
        )
    }

    /// What users did, by kind.
    fn kinds(&self) -> String {
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for line in self.town.story.as_deref().unwrap_or_default() {
            let Some((_, what)) = line.split_once(" USER ") else { continue };
            let is_word = |word: &&str| !word.starts_with('/') && !word.ends_with(char::is_numeric);
            let kind: Vec<&str> = what.split(' ').take_while(is_word).collect();
            *kinds.entry(kind.join(" ")).or_default() += 1;
        }
        let lines = kinds.iter().map(|(kind, count)| format!("  {kind}: {count}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}
