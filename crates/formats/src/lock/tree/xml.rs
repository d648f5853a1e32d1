//! XML as project files are written, by the events of `quick-xml`. No entity but the five of XML itself is expanded.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::XmlVersion::Implicit1_0;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use super::{MAXIMUM_NODES, decode};
use crate::lock::{LockError, MAXIMUM_BYTES, MAXIMUM_DEPTH};

/// Attributes of one element that are read at most.
const MAXIMUM_ATTRIBUTES: usize = 256;

/// An element.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Element {
    /// Its name without prefix.
    pub(crate) name: String,
    /// Counted from 1.
    pub(crate) line: u32,
    /// Names without prefix, and values.
    attributes: Vec<(String, String)>,
    /// Elements within.
    pub(crate) children: Vec<Element>,
    /// Text within, joined.
    pub(crate) text: String,
}

impl Element {
    /// An attribute's value, or the text of a child of that name, without space around: MSBuild takes either for the
    /// same, and does not mind upper and lower case.
    pub(crate) fn said(&self, name: &str) -> Option<&str> {
        let attribute = self.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let child = || self.children.iter().find(|child| child.is(name)).map(|child| &child.text);
        attribute.or_else(child).map(|value| value.trim())
    }

    /// The first child of exactly that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of a child: `dependencies`, `dependency`.
    pub(crate) fn list<'e>(&'e self, outer: &str, inner: &'e str) -> impl Iterator<Item = &'e Self> + use<'e> {
        let children = self.child(outer).map_or(&[][..], |list| &list.children);
        children.iter().filter(move |child| child.name == inner)
    }

    /// The text of a child without space around, where there is some.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim()).filter(|text| !text.is_empty())
    }

    /// An attribute of exactly that name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// True when it is called so.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Hands out this element and all within, as they stand in the file.
    pub(crate) fn walk<'e>(&'e self, each: &mut dyn FnMut(&'e Element)) {
        each(self);
        self.children.iter().for_each(|child| child.walk(each));
    }
}

/// The text of a document: what [`decode`] reads, or Latin-1 where the document says that it is.
pub(crate) fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, LockError> {
    decode(bytes).or_else(|error| {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).to_ascii_lowercase();
        let latin = ["iso-8859-1", "windows-1252", "latin1"].iter().any(|name| head.contains(name));
        match latin && bytes.len() <= MAXIMUM_BYTES {
            true => Ok(Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect())),
            false => Err(error),
        }
    })
}

/// Reads XML.
///
/// # Errors
/// It is not well formed, nests too deep or has too many elements or attributes.
pub(crate) fn parse(text: &str) -> Result<Element, LockError> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    let (mut line, mut counted, mut nodes) = (1u32, 0usize, 0usize);
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX).min(text.len());
        line = line.saturating_add(memchr::memchr_iter(b'\n', &text.as_bytes()[counted..start]).count() as u32);
        counted = start;
        let wrong = |what: String| LockError::at(line.into(), what);
        match reader.read_event().map_err(|error| wrong(error.to_string()))? {
            Event::Start(tag) => {
                if open.len() > MAXIMUM_DEPTH {
                    return Err(wrong(format!("nested deeper than {MAXIMUM_DEPTH}")));
                }
                open.push(element(&tag, line, &mut nodes).map_err(wrong)?);
            }
            Event::Empty(tag) => {
                let element = element(&tag, line, &mut nodes).map_err(wrong)?;
                if let Some(above) = open.last_mut() {
                    above.children.push(element);
                }
            }
            Event::End(_) => {
                if let (Some(element), Some(above)) = (open.pop(), open.last_mut()) {
                    above.children.push(element);
                }
            }
            Event::Text(part) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&part.xml10_content());
                }
            }
            Event::CData(part) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&part.xml10_content());
                }
            }
            Event::GeneralRef(entity) => {
                let resolved = match entity.resolve_char_ref() {
                    Ok(Some(c)) => Some(c.to_string()),
                    _ => resolve_xml_entity(&entity.xml10_content()).map(str::to_owned),
                };
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&resolved.unwrap_or_else(|| format!("&{};", entity.xml10_content())));
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let mut roots = match (open.len(), open.pop()) {
        (1, Some(document)) if document.text.trim().is_empty() => document.children,
        (1, _) => return Err(LockError::new("text outside of any element: no XML")),
        _ => return Err(LockError::at(line.into(), "the file ends within an element")),
    };
    match (roots.pop(), roots.is_empty()) {
        (Some(root), true) => Ok(root),
        (None, _) => Err(LockError::new("no element: no XML")),
        _ => Err(LockError::new("more than one element outside of all others: no XML")),
    }
}

fn element(tag: &BytesStart<'_>, line: u32, nodes: &mut usize) -> Result<Element, String> {
    let mut element = Element { name: local(tag.name().into_inner()), line, ..Element::default() };
    *nodes += 1;
    // Looking for repeated attributes takes time that grows with the square of their number.
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(Implicit1_0).map_err(|error| error.to_string())?;
        element.attributes.push((local(attribute.key.into_inner()), value.into_owned()));
        *nodes += 1;
        if element.attributes.len() > MAXIMUM_ATTRIBUTES {
            return Err(format!("more than {MAXIMUM_ATTRIBUTES} attributes of one element"));
        }
    }
    if *nodes > MAXIMUM_NODES {
        return Err(format!("more than {MAXIMUM_NODES} elements and attributes"));
    }
    Ok(element)
}

/// A name without the prefix of its namespace.
fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_elements_attributes_text_and_lines() {
        let text = "<?xml version=\"1.0\"?>\r\n<!DOCTYPE a [<!ENTITY b \"c\">]>\r\n<x:a y='1 &amp; 2'>\r\n <!-- no -->\r\n <B> t &lt;<![CDATA[<]]>&b;</B>\r\n <c/></x:a>\r\n";
        let root = parse(text).unwrap();
        assert_eq!((root.name.as_str(), root.line, root.said("Y")), ("a", 3, Some("1 & 2")));
        assert_eq!((root.children[0].line, root.said("b")), (5, Some("t <<&b;")));
        let mut names = Vec::new();
        root.walk(&mut |element| names.push(element.name.as_str()));
        assert_eq!(names, ["a", "B", "c"]);
        assert_eq!((root.value("B"), root.value("b"), root.attribute("y")), (Some("t <<&b;"), None, Some("1 & 2")));
    }

    #[test]
    fn an_old_encoding_is_read_where_it_is_said() {
        let bytes = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9</a>";
        assert_eq!(parse(&decoded(bytes).unwrap()).unwrap().text, "\u{e9}");
        assert!(decoded(b"<a>\xe9</a>").is_err());
    }

    #[test]
    fn what_is_not_well_formed_or_too_much_is_refused() {
        for text in ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a", "<a b=c/>", "</a>", "<a/>x"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"<a>".repeat(100_000)).unwrap_err().what.contains("deeper"));
        let many: String = (0..1000).map(|at| format!(" a{at}=''")).collect();
        assert!(parse(&format!("<a{many}/>")).unwrap_err().what.contains("attributes"));
        assert_eq!(parse("<a>\n\n</b>").unwrap_err().line, Some(3));
    }
}
