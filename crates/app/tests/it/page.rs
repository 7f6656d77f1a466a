//! The chat page in a real browser.

use fixtures::browser::Browser;
use fixtures::process::Server;

use crate::{binary, trained_starter};

#[test]
fn chat_page_answers_and_says_why() {
    let Some(mut browser) = Browser::open().unwrap() else {
        eprintln!("skipped: chromedriver is not installed");
        return;
    };
    let sandbox = trained_starter();
    let server = Server::start(binary(), sandbox.path(), &["up", "."]).unwrap();
    browser.go(&format!("http://127.0.0.1:{}/console", server.port)).unwrap();
    browser.wait_for("document.title.includes('starter')").unwrap();

    browser.type_into("#input", "hello\u{E007}").unwrap();
    browser.wait_for("document.querySelector('#log .bot')?.innerText.includes('How is your day')").unwrap();
    browser.wait_for("document.querySelector('#ranking li code')?.innerText === 'greet'").unwrap();
    browser.wait_for("document.querySelector('#actions')?.innerText.includes('utter_greet')").unwrap();

    browser.type_into("#input", "I am sad\u{E007}").unwrap();
    browser.wait_for("document.querySelectorAll('#log .bot img').length === 1").unwrap();
    browser.wait_for("document.querySelector('#ranking li code').innerText === 'mood_unhappy'").unwrap();
    if let Ok(path) = std::env::var("INTENDANT_TEST_SCREENSHOT") {
        std::fs::write(path, browser.screenshot().unwrap()).unwrap();
    }

    // The reasons of an earlier message come back when it is chosen.
    browser.click("#log .user .bubble").unwrap();
    browser.wait_for("document.querySelector('#said').innerText === 'hello'").unwrap();

    // Markup in a message is shown, not run.
    browser.type_into("#input", "<img src=x onerror=\"document.title='run'\">\u{E007}").unwrap();
    browser.wait_for("document.querySelectorAll('#log .user').length === 3").unwrap();
    browser.wait_for("document.title !== 'run'").unwrap();

    browser.click("#restart").unwrap();
    browser.wait_for("document.querySelectorAll('#log li').length === 0").unwrap();
}
