//! XML as a tree, for the files of Maven and Gradle. Entities of a document's own are not expanded: there is nothing that
//! could grow.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::text::{Lines, quoted, text};
use super::{LockError, MAXIMUM_DEPTH};

/// Elements of one document that are read at most.
const MAXIMUM_ELEMENTS: usize = 4_000_000;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Without its namespace.
    pub(super) name: String,
    /// Line that it begins in, counted from 1.
    pub(super) line: u64,
    pub(super) attributes: Vec<(String, String)>,
    /// Text directly in it, trimmed.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of a child: `dependencies`, `dependency`.
    pub(super) fn list<'e>(&'e self, outer: &str, inner: &'e str) -> impl Iterator<Item = &'e Self> + use<'e> {
        let children = self.child(outer).map_or(&[][..], |list| &list.children);
        children.iter().filter(move |child| child.name == inner)
    }

    /// The text of a child, where there is some.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    /// An attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The text of a document: UTF-8, or Latin-1 where it says so.
pub(super) fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, LockError> {
    text(bytes).or_else(|error| {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).to_ascii_lowercase();
        let latin = ["iso-8859-1", "iso-8859-15", "windows-1252", "latin1"].iter().any(|name| head.contains(name));
        match latin && bytes.len() <= super::MAXIMUM_BYTES {
            true => Ok(Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect())),
            false => Err(error),
        }
    })
}

/// Parses a document.
pub(super) fn parse(text: &str) -> Result<Element, LockError> {
    let lines = Lines::of(text);
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let mut count = 0_usize;
    loop {
        let position = |reader: &Reader<&[u8]>| lines.at(usize::try_from(reader.buffer_position()).unwrap_or(0));
        let line = position(&reader);
        let event = reader.read_event().map_err(|error| LockError::at(line, error.to_string()))?;
        let empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                count += 1;
                if open.len() >= MAXIMUM_DEPTH || count > MAXIMUM_ELEMENTS {
                    return Err(LockError::at(line, "it nests too deep, or holds too much"));
                }
                if root.is_some() {
                    return Err(LockError::at(line, "a second element on top"));
                }
                let element = element(&start, line);
                match empty {
                    true => close(element, &mut open, &mut root),
                    false => open.push(element),
                }
            }
            Event::End(_) => {
                let Some(element) = open.pop() else { return Err(LockError::at(line, "an end without a beginning")) };
                close(element, &mut open, &mut root);
            }
            Event::Text(content) => append(&mut open, &content.xml10_content()),
            Event::CData(content) => append(&mut open, &content.xml10_content()),
            Event::GeneralRef(reference) => {
                let known = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character),
                    _ => match reference.xml10_content().as_ref() {
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "amp" => Some('&'),
                        "apos" => Some('\''),
                        "quot" => Some('"'),
                        _ => None,
                    },
                };
                let Some(character) = known else {
                    let name = quoted(&reference.xml10_content());
                    return Err(LockError::at(line, format!("the entity {name} is the document's own: not expanded")));
                };
                append(&mut open, character.encode_utf8(&mut [0; 4]));
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match (open.last(), root) {
        (Some(element), _) => Err(LockError::at(element.line, format!("{} has no end", quoted(&element.name)))),
        (None, None) => Err(LockError::new("it holds no XML element")),
        (None, Some(root)) => Ok(root),
    }
}

fn element(start: &BytesStart<'_>, line: u64) -> Element {
    let owned = |name: &str| name.to_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes().with_checks(false).flatten() {
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or_default().into_owned();
        attributes.push((owned(attribute.key.local_name().as_ref()), value));
    }
    Element { name: owned(start.local_name().as_ref()), line, attributes, text: String::new(), children: Vec::new() }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn close(mut element: Element, open: &mut [Element], root: &mut Option<Element>) {
    let trimmed = element.text.trim();
    if trimmed.len() < element.text.len() {
        element.text = trimmed.to_owned();
    }
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_lines() {
        let text = "<?xml version='1.0'?>\n<a xmlns='x' k='1 &lt; 2'>\n <b>one &amp; <![CDATA[<two>]]> </b>\n<n:c xmlns:n='y'/></a>";
        let root = parse(text).expect("XML");
        assert_eq!((root.name.as_str(), root.line, root.attribute("k")), ("a", 2, Some("1 < 2")));
        assert_eq!(root.value("b"), Some("one & <two>"));
        assert_eq!(root.child("c").map(|child| child.line), Some(4));
    }

    #[test]
    fn hostile_documents_are_refused() {
        let laughs = "<!DOCTYPE a [<!ENTITY l 'lol'><!ENTITY m '&l;&l;&l;'>]><a>&m;</a>";
        assert!(parse(laughs).expect_err("an entity").what.contains("not expanded"));
        assert!(parse(&"<a>".repeat(100_000)).is_err());
        for broken in ["", "text", "<a>", "<a></b>", "<a/><b/>", "</a>", "<a", "<a>&nbsp;</a>"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn an_old_encoding() {
        let bytes = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>";
        assert_eq!(parse(&decoded(bytes).expect("text")).expect("XML").text, "\u{e9}");
        assert!(decoded(b"<a>\xe9</a>").is_err());
    }
}
