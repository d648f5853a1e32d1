//! YAML 1.2, by the events of `saphyr-parser`.

use std::borrow::Cow;
use std::collections::HashMap;

use provost_model::Problem;
use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{MAXIMUM_NODES, Node, Tree, Value, unique};
use crate::lock::{LockError, MAXIMUM_DEPTH};

/// Values that aliases may stand for together. No tool writes aliases into a lockfile; people write a few into manifests.
const MAXIMUM_ALIASED: usize = 10_000;

/// Reads YAML.
///
/// # Errors
/// It is no YAML, nests too deep, has too many values, aliases that stand for too much, or a key that is not text.
pub(crate) fn parse(text: &str) -> Result<Tree<'_>, LockError> {
    let mut loader = Loader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| LockError::at(error.marker().line() as u64, error.info()))?;
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        loader.event(event, line).map_err(|what| LockError::at(line.into(), what))?;
    }
    let mut documents = loader.documents.into_iter();
    let root = documents.next().unwrap_or(Node { line: 1, value: Value::Null });
    Ok(Tree { root, more: documents.collect(), problems: loader.problems })
}

/// A list or table that is not closed yet.
struct Open<'a> {
    line: u32,
    anchor: usize,
    table: bool,
    items: Vec<Node<'a>>,
    entries: Vec<(Cow<'a, str>, Node<'a>)>,
    key: Option<(Cow<'a, str>, u32)>,
}

#[derive(Default)]
struct Loader<'a> {
    documents: Vec<Node<'a>>,
    open: Vec<Open<'a>>,
    anchors: HashMap<usize, (Node<'a>, usize)>,
    aliased: usize,
    nodes: usize,
    problems: Vec<Problem>,
}

impl<'a> Loader<'a> {
    fn event(&mut self, event: Event<'a>, line: u32) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let node = Node { line, value: scalar(text, style) };
                self.finish(node, anchor)
            }
            Event::SequenceStart(anchor, _) => self.start(line, anchor, false),
            Event::MappingStart(anchor, _) => self.start(line, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.table {
                    true => Value::Table(unique(open.entries, &mut self.problems)),
                    false => Value::List(open.items),
                };
                self.finish(Node { line: open.line, value }, open.anchor)
            }
            Event::Alias(anchor) => {
                let (node, size) = self.anchors.get(&anchor).cloned().ok_or("an alias stands for nothing")?;
                self.alias(size)?;
                self.finish(Node { line, ..node }, 0)
            }
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, line: u32, anchor: usize, table: bool) -> Result<(), String> {
        if self.open.len() > MAXIMUM_DEPTH {
            return Err(format!("nested deeper than {MAXIMUM_DEPTH}"));
        }
        let awaits_key = self.open.last().is_some_and(|open| open.table && open.key.is_none());
        if awaits_key {
            return Err("a list or table as a key".to_owned());
        }
        self.open.push(Open { line, anchor, table, items: Vec::new(), entries: Vec::new(), key: None });
        Ok(())
    }

    fn alias(&mut self, size: usize) -> Result<(), String> {
        self.aliased += size;
        if self.aliased > MAXIMUM_ALIASED {
            return Err(format!("aliases stand for more than {MAXIMUM_ALIASED} values"));
        }
        Ok(())
    }

    /// A value is whole: it goes where it belongs.
    fn finish(&mut self, node: Node<'a>, anchor: usize) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAXIMUM_NODES {
            return Err(format!("more than {MAXIMUM_NODES} values"));
        }
        if anchor != 0 {
            let size = size(&node);
            self.alias(size)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(open) if !open.table => open.items.push(node),
            Some(open) => match open.key.take() {
                Some((key, line)) => open.entries.push((key, Node { line, ..node })),
                None => {
                    let line = node.line;
                    let key = match node.value {
                        Value::Text(text) => text,
                        Value::Null => "null".into(),
                        Value::Bool(value) => value.to_string().into(),
                        _ => return Err("a list or table as a key".to_owned()),
                    };
                    open.key = Some((key, line));
                }
            },
        }
        Ok(())
    }
}

fn size(node: &Node<'_>) -> usize {
    1 + node.items().iter().map(size).sum::<usize>() + node.entries().iter().map(|(_, node)| size(node)).sum::<usize>()
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value<'_> {
    match (style, text.as_ref()) {
        (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        (ScalarStyle::Plain, "true" | "True" | "TRUE") => Value::Bool(true),
        (ScalarStyle::Plain, "false" | "False" | "FALSE") => Value::Bool(false),
        _ => Value::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tables_lists_and_lines() {
        let text = "a: 1.10\r\nb:\r\n  - x\r\n  - {c: true, d: ~}\r\n? 'long key'\r\n: \"y\"\r\n";
        let tree = parse(text).unwrap();
        assert_eq!(tree.root.get("a").unwrap().text(), Some("1.10"));
        let b = tree.root.get("b").unwrap();
        assert_eq!((b.line, b.items()[0].line, b.items()[1].line), (2, 3, 4));
        assert!(b.items()[1].get("c").unwrap().is_true());
        assert!(b.items()[1].get("d").is_none());
        assert_eq!(tree.root.get("long key").unwrap().text(), Some("y"));
    }

    #[test]
    fn reads_several_documents_and_none() {
        let tree = parse("---\na: 1\n---\nb: 2\n").unwrap();
        assert_eq!(tree.root.get("a").unwrap().text(), Some("1"));
        assert_eq!(tree.more[0].get("b").unwrap().text(), Some("2"));
        assert_eq!(parse("# nothing\n").unwrap().root.value, Value::Null);
    }

    #[test]
    fn few_aliases_are_followed_and_bombs_are_not() {
        let tree = parse("a: &x {b: 1}\nc: *x\n").unwrap();
        assert_eq!(tree.root.get("c").unwrap().get("b").unwrap().text(), Some("1"));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let before = vec![format!("*a{}", level - 1); 9].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(parse(&bomb).unwrap_err().what.contains("aliases"));
        assert!(parse("a: &a [*a]\n").is_err());
    }

    #[test]
    fn depth_is_limited_and_errors_have_lines() {
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&format!("{}x", "- ".repeat(100_000))).unwrap_err().what.contains("deeper"));
        assert_eq!(parse("a: 1\nb: [\n").unwrap_err().line.map(|line| line >= 2), Some(true));
        assert_eq!(parse("a: 1\na: 2\n").unwrap().problems[0].line, Some(1));
        assert!(parse("? [a]\n: 1\n").is_err());
    }
}
