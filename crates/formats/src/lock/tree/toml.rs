//! TOML, by the crate `toml`.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::{MAXIMUM_NODES, Node, Tree, Value};
use crate::lock::{LockError, MAXIMUM_DEPTH};

/// Reads TOML. Keys of a table come in the order of their names, lists in that of the file.
///
/// # Errors
/// It is no TOML, nests too deep or has too many values.
pub(crate) fn parse(text: &str) -> Result<Tree<'_>, LockError> {
    let lines: Vec<usize> = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map(|span| u64::from(line_of(&lines, span.start)));
        LockError { line, what: error.message().to_owned() }
    })?;
    let mut converter = Converter { lines, nodes: 0 };
    let value = converter.table(table.into_inner(), 0).map_err(LockError::new)?;
    Ok(Tree { root: Node { line: 1, value }, more: Vec::new(), problems: Vec::new() })
}

/// The line of an offset, by the offsets of the lines' ends.
fn line_of(lines: &[usize], at: usize) -> u32 {
    u32::try_from(1 + lines.partition_point(|end| *end < at)).unwrap_or(u32::MAX)
}

struct Converter {
    lines: Vec<usize>,
    nodes: usize,
}

impl Converter {
    fn table<'a>(&mut self, table: DeTable<'a>, depth: usize) -> Result<Value<'a>, String> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let line = line_of(&self.lines, key.span().start);
            let node = self.node(value, depth)?;
            entries.push((key.into_inner(), Node { line, ..node }));
        }
        Ok(Value::Table(entries))
    }

    fn node<'a>(&mut self, value: Spanned<DeValue<'a>>, depth: usize) -> Result<Node<'a>, String> {
        self.nodes += 1;
        if self.nodes > MAXIMUM_NODES {
            return Err(format!("more than {MAXIMUM_NODES} values"));
        }
        if depth > MAXIMUM_DEPTH {
            return Err(format!("nested deeper than {MAXIMUM_DEPTH}"));
        }
        let line = line_of(&self.lines, value.span().start);
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text),
            DeValue::Integer(number) => Value::Number(number.to_string().into()),
            DeValue::Float(number) => Value::Number(number.to_string().into()),
            DeValue::Boolean(value) => Value::Bool(value),
            DeValue::Datetime(time) => Value::Number(time.to_string().into()),
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| self.node(item, depth + 1));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table, depth + 1)?,
        };
        Ok(Node { line, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tables_and_lines() {
        let text =
            "\r\nversion = 3\r\n[[package]]\r\nname = \"a\"\r\n\r\n[[package]]\r\nname = 'b'\r\n[x.y]\r\nz = true\r\n";
        let tree = parse(text).unwrap();
        assert_eq!(tree.root.get("version").unwrap().scalar(), Some("3"));
        let packages = tree.root.get("package").unwrap().items();
        assert_eq!((packages[0].line, packages[1].line), (3, 6));
        assert_eq!(packages[1].get("name").unwrap().line, 7);
        assert!(tree.root.get("x").unwrap().get("y").unwrap().get("z").unwrap().is_true());
    }

    #[test]
    fn errors_have_lines_and_depth_is_limited() {
        assert_eq!(parse("a = 1\nb = \n").unwrap_err().line, Some(2));
        assert_eq!(parse("a = 1\na = 2\n").unwrap_err().line, Some(2));
        assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
        assert!(parse(&format!("a = {}1{}", "[".repeat(1000), "]".repeat(1000))).is_err());
        assert!(parse(&format!("[{}]", vec!["a"; 10_000].join("."))).is_err());
    }
}
