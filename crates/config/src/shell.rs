//! A script's commands, as far as they can be told without running it. Not a shell: what it does not understand it hands
//! over as words, and never as nothing.

/// Commands of a script that are told apart at most.
const MAXIMUM: usize = 5_000;

/// Words that stand before a command.
const BEFORE: &[&str] = &[
    "if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "(", ")", "time", "sudo", "exec", "command",
    "env", "nohup", "eval", "&",
];

/// The words of each command of a script. `${{ … }}` stays one word.
pub(crate) fn commands(script: &str) -> Vec<Vec<String>> {
    let mut scan = Scan { commands: Vec::new(), words: Vec::new(), word: String::new(), inside: false };
    let mut chars = script.chars().peekable();
    let mut quote = None;
    // Quotes that a command in the place of text stands in.
    let mut around = Vec::new();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (_, '$') if chars.peek() == Some(&'{') => {
                scan.word.push('$');
                expression(&mut chars, &mut scan.word);
                scan.inside = true;
            }
            // A command in the place of text is a command.
            (None | Some('"'), '$') if chars.peek() == Some(&'(') => {
                chars.next();
                scan.inside = false;
                scan.end_command();
                around.push(quote.take());
            }
            (None, ')') if !around.is_empty() => {
                scan.end_command();
                quote = around.pop().flatten();
            }
            (None | Some('"'), '`') => scan.end_command(),
            (None, '\'' | '"') => {
                quote = Some(c);
                scan.inside = true;
            }
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => match chars.next() {
                Some('\n') | None => {}
                Some(next) => scan.word.push(next),
            },
            (None, '#') if scan.word.is_empty() && !scan.inside => while chars.next_if(|c| *c != '\n').is_some() {},
            (None, '\n' | ';' | '|' | '&' | '(' | ')') => scan.end_command(),
            (None, c) if c.is_whitespace() => scan.end_word(),
            (_, c) => scan.word.push(c),
        }
        if scan.commands.len() >= MAXIMUM {
            break;
        }
    }
    scan.end_command();
    scan.commands
}

struct Scan {
    commands: Vec<Vec<String>>,
    words: Vec<String>,
    word: String,
    inside: bool,
}

impl Scan {
    fn end_word(&mut self) {
        if !self.word.is_empty() || self.inside {
            self.words.push(std::mem::take(&mut self.word));
        }
        self.inside = false;
    }

    fn end_command(&mut self) {
        self.end_word();
        let words = std::mem::take(&mut self.words);
        let is_variable = |word: &String| {
            let name = word.split_once('=').map(|(name, _)| name);
            name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        };
        let rest: Vec<String> =
            words.into_iter().skip_while(|word| BEFORE.contains(&word.as_str()) || is_variable(word)).collect();
        if !rest.is_empty() {
            self.commands.push(rest);
        }
    }
}

/// `${{ … }}` or `${…}` up to its end.
fn expression(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut String) {
    let mut depth = 0_usize;
    for c in chars.by_ref() {
        word.push(c);
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return;
                }
            }
            '\n' if depth < 2 => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(script: &str) -> Vec<String> {
        commands(script).iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn commands_are_told_apart() {
        let script = "# a comment\nA=1 B=\"x y\" gh pr comment \"$N\" --body 'a; b' && git push\nif ! make; then\n  x=$(gh api /x | jq .)\nfi\ncurl \\\n  -s url # end\n";
        assert_eq!(
            told(script),
            ["gh pr comment $N --body a; b", "git push", "make", "gh api /x", "jq .", "fi", "curl -s url"]
        );
        assert_eq!(
            told("echo \"${{ github.event.issue.title }} && x\"; ls"),
            ["echo ${{ github.event.issue.title }} && x", "ls"]
        );
        assert_eq!(told("echo \"$(gh release create v1)\""), ["echo", "gh release create v1"]);
        assert!(told("").is_empty() && told("'").is_empty() || told("'") == [""]);
        assert_eq!(commands(&"a\n".repeat(10_000)).len(), MAXIMUM);
    }
}
