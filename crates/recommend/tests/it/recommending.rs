//! Training, storing, answering.

use intendant_component::training::{Silent, TrainContext, Untrained};
use intendant_numeric::random::Random;
use intendant_recommend::{
    Filter, Item, Method, Mode, Options, Ratings, Reason, Recommended, Recommender, Report, Request, Seen,
    train,
};

use crate::sets;

const CONTEXT: TrainContext<'static> = TrainContext { seed: 7, threads: 2, progress: &Silent };

fn item(id: &str, title: &str, author: &str, genre: &str) -> Item {
    Item {
        id: id.to_owned(),
        title: title.to_owned(),
        author: author.to_owned(),
        genre: genre.to_owned(),
        ..Item::default()
    }
}

/// Two shelves of five books each; readers keep to one of them. Nobody read the last two.
fn shelves() -> (Vec<Item>, Ratings) {
    let mut catalogue: Vec<Item> = (0..10)
        .map(|at| {
            let (author, genre) =
                if at < 5 { ("Ada Crane", "crime; thriller") } else { ("Bo Dale", "poetry") };
            item(&format!("b{at}"), &format!("volume number{at}"), author, genre)
        })
        .collect();
    catalogue.push(item("new crime", "Fresh from the press", "Ada Crane", "crime"));
    catalogue.push(Item {
        description: "A history of elections and campaigns".to_owned(),
        fields: vec![("lang".to_owned(), "fr".to_owned())],
        ..item("vote", "How to count votes", "Cy Eck", "politics")
    });
    let mut ratings = Ratings::default();
    let mut random = Random::new(5);
    for reader in 0..60 {
        let shelf = if reader % 2 == 0 { 0 } else { 5 };
        let left_out = random.below(5);
        for book in (0..5).filter(|book| *book != left_out) {
            ratings.push(&format!("r{reader}"), &format!("b{}", shelf + book), 8.0);
        }
    }
    (catalogue, ratings)
}

fn trained(method: Method) -> (Recommender, Report) {
    let (catalogue, ratings) = shelves();
    train(catalogue, &ratings, &Options { method, liked_from: None }, &CONTEXT).unwrap()
}

fn ids<'a>(recommender: &'a Recommender, items: &[Recommended]) -> Vec<&'a str> {
    items.iter().map(|found| recommender.items().name(found.item)).collect()
}

#[test]
fn readers_of_a_shelf_are_given_what_they_lack() {
    for method in [Method::Auto, Method::Neighbours, Method::Regression, Method::Factors] {
        let (recommender, report) = trained(method);
        assert_eq!((report.users, report.items, report.ratings), (60, 12, 240));
        assert!(!report.tried.is_empty());
        let history = [("b5", 9.0), ("b6", 9.0), ("b7", 8.0), ("b8", 8.0)];
        let request = Request { history: &history, count: 1, ..Request::default() };
        let answer = recommender.recommend(&request);
        assert_eq!(ids(&recommender, &answer.items), ["b9"], "{method:?}");
        assert!(matches!(answer.mode, Mode::Collaborative | Mode::Hybrid), "{method:?} {:?}", answer.mode);
        let again = recommender.recommend(&Request { seen: Seen::Kept, count: 12, ..request });
        assert!(ids(&recommender, &again.items).contains(&"b5"));
    }
}

#[test]
fn nothing_seen_is_recommended_and_answers_are_full_and_sorted() {
    let (recommender, _) = trained(Method::Auto);
    let (_, ratings) = shelves();
    assert_eq!(ratings.len(), 240);
    for user in recommender.users().names() {
        let answer = recommender.recommend(&Request { user: Some(user), count: 8, ..Request::default() });
        assert_eq!(answer.items.len(), 8);
        assert!(answer.items.is_sorted_by(|a, b| a.score >= b.score), "{answer:?}");
        let all = recommender.recommend(&Request { user: Some(user), count: 50, ..Request::default() });
        assert_eq!(all.items.len(), 12 - 4);
    }
}

#[test]
fn who_is_unknown_gets_what_fits_or_what_is_popular() {
    let (recommender, _) = trained(Method::Auto);
    let unknown = recommender.recommend(&Request { user: Some("nobody"), count: 3, ..Request::default() });
    assert_eq!(unknown.mode, Mode::Popular);
    assert!(matches!(unknown.items[0].reason, Reason::Popular(count) if count > 0));
    let fitting = recommender.recommend(&Request {
        text: Some("The ELECTIONS and their votes, by Cy Eck"),
        count: 1,
        ..Request::default()
    });
    assert_eq!((fitting.mode, ids(&recommender, &fitting.items)), (Mode::Content, vec!["vote"]));
    let Reason::Words(words) = &fitting.items[0].reason else { panic!("{:?}", fitting.items[0].reason) };
    assert!(words.contains(&"elections".to_owned()) && words.contains(&"votes".to_owned()), "{words:?}");
    // Nobody rated the new book, so that only its author speaks for it.
    let history = [("new crime", 9.0)];
    let alike = recommender.recommend(&Request { history: &history, count: 5, ..Request::default() });
    assert_eq!(alike.mode, Mode::Content);
    assert!(ids(&recommender, &alike.items).iter().all(|id| *id < "b5"), "{alike:?}");
    assert_eq!(alike.items[0].reason, Reason::SameAuthor(10));
}

#[test]
fn filters_pass_only_what_has_their_values() {
    let (recommender, _) = trained(Method::Auto);
    let check = |field: &str, values: &[&str], expected: &[&str]| {
        let filters = [Filter { field, values }];
        let answer = recommender.recommend(&Request { filters: &filters, ..Request::default() });
        let mut found = ids(&recommender, &answer.items);
        found.sort_unstable();
        assert_eq!(found, expected, "{field} {values:?}");
    };
    check("genre", &["Thriller"], &["b0", "b1", "b2", "b3", "b4"]);
    check("author", &["cy eck", "nobody"], &["vote"]);
    check("lang", &["fr"], &["vote"]);
    check("id", &["b1"], &["b1"]);
    check("colour", &["red"], &[]);
    check("genre", &[], &[]);
}

#[test]
fn catalogues_alone_and_ratings_alone_suffice() {
    let (catalogue, ratings) = shelves();
    let options = Options::default();
    let (recommender, report) = train(catalogue.clone(), &Ratings::default(), &options, &CONTEXT).unwrap();
    assert_eq!((recommender.method(), report.ratings), (Method::Content, 0));
    let history = [("b0", 1.0)];
    let answer = recommender.recommend(&Request { history: &history, count: 4, ..Request::default() });
    assert_eq!((answer.mode, answer.items[0].reason.clone()), (Mode::Content, Reason::SameAuthor(0)));
    let loaded = Recommender::load(recommender.store()).unwrap();
    assert_eq!(loaded.recommend(&Request { text: Some("votes"), ..Request::default() }).mode, Mode::Content);
    let (recommender, _) = train(Vec::new(), &ratings, &options, &CONTEXT).unwrap();
    let answer = recommender.recommend(&Request { user: Some("r0"), ..Request::default() });
    assert_eq!(answer.mode, Mode::Collaborative);
    let twice = vec![catalogue[0].clone(), catalogue[0].clone()];
    let error = |catalogue, ratings: &Ratings, method| {
        let error = train(catalogue, ratings, &Options { method, liked_from: None }, &CONTEXT).unwrap_err();
        assert!(matches!(error, Untrained::Data(_)));
        error.to_string()
    };
    assert_eq!(error(twice, &ratings, Method::Auto), "item `b0` is in the catalogue twice");
    assert_eq!(error(vec![Item::default()], &ratings, Method::Auto), "item 1 of the catalogue has no id");
    assert_eq!(
        error(Vec::new(), &Ratings::default(), Method::Auto),
        "there are neither ratings nor items of a catalogue"
    );
    assert_eq!(error(Vec::new(), &ratings, Method::Content), "method `content` needs a catalogue");
    assert_eq!(error(catalogue, &Ratings::default(), Method::Factors), "method `als` needs ratings");
}

#[test]
fn recommenders_do_not_depend_on_threads_and_survive_storing() {
    let ratings = sets::made_up(4000, 300, 400);
    let catalogue = sets::made_up_catalogue(300);
    for method in Method::ALL {
        let on = |threads| {
            let context = TrainContext { threads, ..CONTEXT };
            train(catalogue.clone(), &ratings, &Options { method, liked_from: Some(3.0) }, &context).unwrap()
        };
        let ((one, report), (two, same)) = (on(1), on(2));
        assert_eq!((one.store(), report), (two.store(), same), "{method:?}");
        let loaded = Recommender::load(one.store()).unwrap();
        assert_eq!(loaded.store(), one.store());
        for user in ["u1", "u2", "stranger"] {
            let history = [("i1", 5.0), ("i399", 1.0), ("unknown", 2.0)];
            let request =
                Request { user: Some(user), history: &history, text: Some("w0 w5 g3"), ..Request::default() };
            let answer = one.recommend(&request);
            assert_eq!(answer, loaded.recommend(&request), "{method:?}");
            let found = ids(&one, &answer.items);
            assert!(!found.contains(&"i1") && !found.contains(&"i399"));
        }
        for part in one.store().tensors.keys() {
            let mut damaged = one.store();
            damaged.tensors.remove(part);
            assert!(Recommender::load(damaged).is_err(), "{method:?} without {part}");
        }
    }
}

#[test]
fn any_text_and_any_rating_is_taken() {
    let pieces =
        ["é", "e\u{301}", "😀", "東京", "\u{0}", "İ", " ", ";", ",", "w1", "\u{202E}", "ﬁ", "Ada", "Crane"];
    let mut random = Random::new(31);
    let mut text =
        |length: usize| -> String { (0..length).map(|_| pieces[random.below(pieces.len())]).collect() };
    let mut ratings = Ratings::default();
    for (at, rating) in
        [f32::NAN, f32::INFINITY, -3.0, 0.0, 1e30, 5.0].into_iter().cycle().take(60).enumerate()
    {
        ratings.push(&text(at % 3), &text(at % 4), rating);
    }
    let catalogue = (0..20)
        .map(|at| Item {
            id: format!("{at}{}", text(2)),
            title: text(9),
            author: text(4),
            genre: text(3),
            ..Item::default()
        })
        .collect();
    let (recommender, _) = train(catalogue, &ratings, &Options::default(), &CONTEXT).unwrap();
    for length in 0..40 {
        let (user, about) = (text(2), text(length));
        let request = Request { user: Some(&user), text: Some(&about), count: length, ..Request::default() };
        let answer = recommender.recommend(&request);
        assert!(
            answer.items.len() <= length && answer.items.iter().all(|item| item.score.is_finite()),
            "{answer:?}"
        );
    }
}

/// Floors below what is reached, above what is asked.
#[test]
fn books_are_foreseen() {
    let Some(books) = sets::books() else {
        eprintln!("skipped: INTENDANT_SHARED names no folder with the books");
        return;
    };
    let (recommender, report) =
        train(books.catalogue.clone(), &books.ratings, &Options::default(), &CONTEXT).unwrap();
    let (ndcg, recall) = books.scores(&recommender);
    assert!(ndcg >= 0.085 && recall >= 0.11, "{ndcg} {recall} {report:?}");
}
