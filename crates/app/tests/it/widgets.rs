//! Chat widgets of others in a real browser, on a site of another origin, against the `socketio` channel.

use std::path::{Path, PathBuf};

use fixtures::browser::Browser;
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::json;

use crate::stand_in::serve_files;
use crate::{binary, repository, succeed, trained_starter};

const GREETING: &str = "Hello! How is your day going?";
const KEY: &str = "a key that nobody else knows at all";

/// Serves a page and its script until the test's process ends; gives its address.
fn site(page: String, script: &Path) -> String {
    let script = std::fs::read(script).unwrap();
    serve_files(vec![("/", "text/html", page.into_bytes()), ("/widget.js", "text/javascript", script)])
}

/// A file of an installed package, or why the test is skipped.
fn package_file(variable: &str, path: &str) -> Option<PathBuf> {
    let Ok(folder) = std::env::var(variable) else {
        eprintln!("skipped: {variable} does not name a folder with npm packages");
        return None;
    };
    Some(Path::new(&folder).join("node_modules").join(path))
}

fn browser() -> Option<Browser> {
    let browser = Browser::open().unwrap();
    if browser.is_none() {
        eprintln!("skipped: chromedriver is not installed");
    }
    browser
}

/// A server of the starter whose greeting has buttons, with these options of the channel.
fn start(options: &str) -> (Sandbox, Server) {
    let sandbox = trained_starter();
    let domain = std::fs::read_to_string(sandbox.at("domain.yml")).unwrap();
    let greeting = format!("- text: \"{GREETING}\"");
    assert!(domain.contains(&greeting), "the starter greets as it did");
    let buttons = "\n      buttons:\n      - {title: Great, payload: /mood_great}\n      - {title: Sad, payload: \
                   /mood_unhappy}";
    sandbox.write("domain.yml", &domain.replace(&greeting, &format!("{greeting}{buttons}"))).unwrap();
    sandbox.write("credentials.yml", &format!("rest:\nsocketio:\n{options}")).unwrap();
    succeed(sandbox.path(), &["train"]);
    let server = Server::start(binary(), sandbox.path(), &["run", "--cors", "*"]).unwrap();
    (sandbox, server)
}

fn page(name: &str, server: &Server, token: &str) -> String {
    let text = std::fs::read_to_string(repository().join("crates/app/tests/widgets").join(name)).unwrap();
    text.replace("SERVER", &format!("http://127.0.0.1:{}", server.port)).replace("TOKEN", token)
}

/// Loads the page anew and waits until it is there.
fn reload(browser: &mut Browser) {
    browser.script("window.isOld = true; location.reload()").unwrap();
    browser.wait_for("!window.isOld && document.readyState === 'complete'").unwrap();
}

fn rasa_webchat(package: &str) {
    let Some(script) = package_file("INTENDANT_TEST_WIDGETS", &format!("{package}/lib/index.js")) else {
        return;
    };
    let Some(mut browser) = browser() else { return };
    let (_sandbox, server) = start("  session_persistence: true\n  metadata_key: customData\n");
    browser.go(&site(page("rasa-webchat.html", &server, ""), &script)).unwrap();
    let answers = |count: usize, last: &str| {
        let said = "[...document.querySelectorAll('.rw-response')].map(line => line.innerText.trim())";
        format!("(said => said.length === {count} && said.at(-1).includes({}))({said})", json!(last))
    };
    // The launcher appears when the widget has its session; opened, it says its first payload.
    browser.wait_for("document.querySelector('.rw-launcher')").unwrap();
    browser.click(".rw-launcher").unwrap();
    browser.wait_for(&answers(1, GREETING)).unwrap();
    browser.wait_for("document.querySelectorAll('.rw-reply').length === 2").unwrap();

    browser.script("document.querySelectorAll('.rw-reply')[1].click()").unwrap();
    browser.wait_for("document.querySelector('.rw-image-frame')?.src.startsWith('http')").unwrap();
    browser.wait_for(&answers(3, "Do you feel a little better now?")).unwrap();
    browser.type_into(".rw-new-message", "yes\u{E007}").unwrap();
    browser.wait_for(&answers(4, "Wonderful, keep it up!")).unwrap();
    let session = "JSON.parse(sessionStorage.getItem('chat_session')).session_id";
    let before = browser.script(&format!("return {session};")).unwrap();

    // After a reload the same session goes on, with what was said.
    reload(&mut browser);
    browser.wait_for(&answers(4, "Wonderful, keep it up!")).unwrap();
    assert_eq!(browser.script(&format!("return {session};")).unwrap(), before);
    browser.type_into(".rw-new-message", "bye\u{E007}").unwrap();
    browser.wait_for(&answers(5, "Goodbye, take care!")).unwrap();
}

#[test]
fn rasa_webchat_talks_in_a_browser() {
    rasa_webchat("rasa-webchat-1.0.1");
}

#[test]
fn the_older_rasa_webchat_talks_in_a_browser() {
    rasa_webchat("rasa-webchat-1.0.0");
}

#[test]
fn a_widget_like_rasahqs_talks_in_a_browser() {
    let Some(script) = package_file("INTENDANT_TEST_SOCKETIO", "socket.io-client-4/dist/socket.io.min.js")
    else {
        return;
    };
    let Some(mut browser) = browser() else { return };
    let (_sandbox, server) = start(&format!("  session_persistence: true\n  jwt_key: {KEY}\n"));
    let key = jsonwebtoken::EncodingKey::from_secret(KEY.as_bytes());
    let header = jsonwebtoken::Header::default();
    let token = jsonwebtoken::encode(&header, &json!({"name": "anna"}), &key).unwrap();
    browser.go(&site(page("chat-widget.html", &server, &token), &script)).unwrap();
    let lines = |class: &str, texts: &[&str]| {
        let said = format!("[...document.querySelectorAll('#log .{class}')].map(line => line.innerText)");
        format!("JSON.stringify({said}) === JSON.stringify({})", json!(texts))
    };
    browser.wait_for(&lines("confirmed", &["new"])).unwrap();
    browser.type_into("#input", "hello\u{E007}").unwrap();
    browser.wait_for(&lines("bot", &[GREETING])).unwrap();
    browser.click("#replies button:nth-child(1)").unwrap();
    browser.wait_for(&lines("bot", &[GREETING, "Wonderful, keep it up!"])).unwrap();
    browser.script("sendByRest('bye')").unwrap();
    browser.wait_for(&lines("rest", &["Goodbye, take care!"])).unwrap();

    reload(&mut browser);
    browser.wait_for(&lines("confirmed", &["back"])).unwrap();
    browser.type_into("#input", "I am sad\u{E007}").unwrap();
    browser.wait_for("document.querySelector('#log .image')?.innerText.startsWith('https://')").unwrap();

    browser.go(&site(page("chat-widget.html", &server, "nonsense"), &script)).unwrap();
    browser.wait_for("document.querySelector('#log .error')?.innerText.includes('rejected')").unwrap();
}
