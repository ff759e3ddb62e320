//! Clients that count in different units, and see each other.

use std::time::Duration;

use inklog_client::{Client, Notice, Options, Unit};
use inklog_local::Data;
use serde_json::json;

use super::{PATIENCE, stack, text_of};

/// The next notice that `wanted` makes something of.
async fn next_of<T>(client: &mut Client, mut wanted: impl FnMut(Notice) -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = wanted(client.next().await.expect("the client goes on")) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens in time")
}

/// The text that a program makes of the changes, counting as the client does.
struct Mirror {
    unit: Unit,
    text: String,
}

impl Mirror {
    fn byte(&self, at: usize) -> usize {
        let mut left = at;
        let mut bytes = 0;
        for char in self.text.chars() {
            if left == 0 {
                break;
            }
            left -= match self.unit {
                Unit::Utf8 => char.len_utf8(),
                Unit::Char => 1,
                Unit::Utf16 => char.len_utf16(),
            };
            bytes += char.len_utf8();
        }
        bytes
    }

    fn follow(&mut self, notice: &Notice) {
        let Notice::Changed(changes) = notice else { return };
        for change in changes {
            let range = self.byte(change.at)..self.byte(change.at + change.deleted);
            self.text.replace_range(range, &change.inserted);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_all_units_make_one_text_and_hear_what_changed() {
    let server = stack(0, Data::Memory).await;
    let mut others = Vec::new();
    for unit in [Unit::Utf8, Unit::Char, Unit::Utf16] {
        let client =
            Client::open(Options::new(server.ws_url(), "d", "reader").unit(unit)).await.expect("it connects");
        others.push((client, Mirror { unit, text: String::new() }));
    }
    // Each of these writes in its own unit behind the first emoji.
    let mut writer = Client::open(Options::new(server.ws_url(), "d", "writer")).await.expect("it connects");
    writer.append("é😀中z").expect("there is room");
    writer.replace("é😀".len(), "中".len(), "漢字\r\n").expect("it is there");
    assert!(writer.insert("é".len() - 1, "x").is_err(), "inside a character");
    assert!(writer.insert(1_000, "x").is_err(), "beyond the text");
    writer.delete(0, "é".len()).expect("it is there");
    assert_eq!(writer.text(), "😀漢字\r\nz");
    writer.saved().await.expect("it is saved");
    for (client, mirror) in &mut others {
        next_of(client, |notice| {
            mirror.follow(&notice);
            (mirror.text == "😀漢字\r\nz").then_some(())
        })
        .await;
        let behind = match mirror.unit {
            Unit::Utf8 => 4,
            Unit::Char => 1,
            Unit::Utf16 => 2,
        };
        client.insert(behind, "!").expect("it is no middle");
        tokio::time::timeout(PATIENCE, client.saved()).await.expect("in time").expect("it is saved");
    }
    let text = text_of(&server).await;
    assert_eq!(text.chars().filter(|char| *char == '!').count(), 3);
    next_of(&mut writer, |notice| matches!(notice, Notice::Changed(_)).then_some(())).await;
    for (client, _) in others {
        client.close().await.expect("nothing is kept");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_who_is_here_and_who_leaves() {
    let server = stack(0, Data::Memory).await;
    let mut bob = Client::open(Options::new(server.ws_url(), "d", "bob")).await.expect("it connects");
    let mut alice = Client::open(Options::new(server.ws_url(), "d", "alice")).await.expect("it connects");
    alice.show(json!({ "name": "Alice", "at": 3 })).expect("it is small");
    let agent = alice.agent().to_string();
    let shown = async {
        tokio::select! {
            notice = next_of(&mut bob, |notice| match notice {
                Notice::Presence { agent, state } => Some((agent, state)),
                _ => None,
            }) => notice,
            failed = async { loop { if let Err(error) = alice.next().await { break error } } } => panic!("{failed}"),
        }
    };
    assert_eq!(shown.await, (agent.clone(), Some(json!({ "name": "Alice", "at": 3 }))));
    assert_eq!(bob.others().map(|(agent, _)| agent).collect::<Vec<_>>(), [agent.as_str()]);
    tokio::time::timeout(Duration::from_secs(30), alice.close())
        .await
        .expect("in time")
        .expect("nothing is kept");
    let gone = next_of(&mut bob, |notice| match notice {
        Notice::Presence { agent, state: None } => Some(agent),
        _ => None,
    });
    assert_eq!(gone.await, agent);
    assert_eq!(bob.others().count(), 0);
    bob.close().await.expect("nothing is kept");
    server.stop().await;
}
