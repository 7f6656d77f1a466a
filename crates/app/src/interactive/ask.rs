//! Questions to whoever sits at the terminal, or to a script that is piped in.

use std::io::{self, BufRead, IsTerminal, Write};

use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, FuzzySelect, Input};

use crate::failure::Failure;
use crate::terminal;

/// What may be said instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Ask what to do.
    Menu,
    /// Take the last step back.
    Undo,
    /// Go back to before a message.
    Fork,
    /// Begin a new conversation.
    Restart,
    /// Show the conversation so far.
    History,
    /// Write what was learnt and stop.
    Save,
    /// Stop.
    Quit,
}

/// The words as typed.
const WORDS: [(&str, Word); 7] = [
    (":menu", Word::Menu),
    (":undo", Word::Undo),
    (":fork", Word::Fork),
    (":restart", Word::Restart),
    (":history", Word::History),
    (":save", Word::Save),
    (":quit", Word::Quit),
];

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// One of the words was said.
    Word(Word),
    /// Nobody is there any more.
    End,
    /// The terminal failed.
    Failure(Failure),
}

/// An answer.
pub type Answer<T> = Result<T, Unanswered>;

/// Asks.
pub trait Ask {
    /// A line of text; `default` can be edited or accepted.
    fn text(&mut self, question: &str, default: &str) -> Answer<String>;
    /// Yes or no.
    fn confirm(&mut self, question: &str) -> Answer<bool>;
    /// The position of one of the items.
    fn choose(&mut self, question: &str, items: &[String]) -> Answer<usize>;
}

/// A terminal where there is one, else lines of standard input.
pub fn open() -> Box<dyn Ask> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        Box::new(Terminal::default())
    } else {
        Box::new(Lines)
    }
}

fn word(text: &str) -> Option<Word> {
    let text = text.trim();
    WORDS.iter().find(|(word, _)| *word == text).map(|(_, word)| *word)
}

/// A person at a terminal: lists are walked with the arrows or searched by typing.
#[derive(Default)]
struct Terminal {
    theme: ColorfulTheme,
}

/// Control-C asks what to do.
fn interrupted(error: dialoguer::Error) -> Unanswered {
    let dialoguer::Error::IO(error) = error;
    match error.kind() {
        io::ErrorKind::Interrupted => Unanswered::Word(Word::Menu),
        io::ErrorKind::UnexpectedEof => Unanswered::End,
        _ => Unanswered::Failure(Failure::new("", format!("cannot ask: {error}"))),
    }
}

impl Ask for Terminal {
    fn text(&mut self, question: &str, default: &str) -> Answer<String> {
        let mut input = Input::<String>::with_theme(&self.theme).with_prompt(question).allow_empty(true);
        if !default.is_empty() {
            input = input.with_initial_text(default);
        }
        let text = input.interact_text().map_err(interrupted)?;
        word(&text).map_or(Ok(text), |word| Err(Unanswered::Word(word)))
    }

    fn confirm(&mut self, question: &str) -> Answer<bool> {
        let confirm = Confirm::with_theme(&self.theme).with_prompt(question).default(true);
        // Escape means that one would rather do something else.
        confirm.interact_opt().map_err(interrupted)?.ok_or(Unanswered::Word(Word::Menu))
    }

    fn choose(&mut self, question: &str, items: &[String]) -> Answer<usize> {
        let select = FuzzySelect::with_theme(&self.theme).with_prompt(question).items(items).default(0);
        select.interact_opt().map_err(interrupted)?.ok_or(Unanswered::Word(Word::Menu))
    }
}

/// A script: one line per answer, shown behind its question. An empty line takes the default, yes,
/// or the first item; an item is chosen by its number or its name.
struct Lines;

impl Lines {
    fn line(&mut self) -> Answer<String> {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        match read {
            Ok(0) => {
                terminal::line(format_args!(""));
                return Err(Unanswered::End);
            }
            Ok(_) => {}
            Err(error) => {
                return Err(Unanswered::Failure(Failure::new("", format!("cannot read input: {error}"))));
            }
        }
        let line = line.trim().to_owned();
        terminal::line(format_args!("{line}"));
        let _ = io::stdout().flush();
        word(&line).map_or(Ok(line), |word| Err(Unanswered::Word(word)))
    }
}

impl Ask for Lines {
    fn text(&mut self, question: &str, default: &str) -> Answer<String> {
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        terminal::part(format_args!("{question}{shown} "));
        let line = self.line()?;
        Ok(if line.is_empty() { default.to_owned() } else { line })
    }

    fn confirm(&mut self, question: &str) -> Answer<bool> {
        loop {
            terminal::part(format_args!("{question} (Y/n) "));
            match self.line()?.to_lowercase().as_str() {
                "" | "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => terminal::line(format_args!("Please answer y or n, or :menu.")),
            }
        }
    }

    fn choose(&mut self, question: &str, items: &[String]) -> Answer<usize> {
        for (idx, item) in items.iter().enumerate() {
            terminal::line(format_args!("  {}: {item}", idx + 1));
        }
        loop {
            terminal::part(format_args!("{question} "));
            let line = self.line()?;
            if line.is_empty() && !items.is_empty() {
                return Ok(0);
            }
            let number = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            if let Some(idx) = number.filter(|idx| *idx < items.len()) {
                return Ok(idx);
            }
            let named = |item: &&String| item.split_whitespace().any(|part| part == line);
            if let Some(idx) = items.iter().position(|item| named(&item) || *item == line) {
                return Ok(idx);
            }
            terminal::line(format_args!("Please answer with a number from the list, or :menu."));
        }
    }
}
