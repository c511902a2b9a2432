//! Which file names are exports: `*` and `?`, upper and lower case alike, as in a Windows folder.
//!
//! Promises: linear memory, and no more steps than name length times pattern length.

/// Does `name` match `pattern`? `*` stands for any text, `?` for one character.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    let (mut at, mut of) = (0, 0);
    // Where to go on when the text after the last `*` does not fit: that `*` takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    while at < name.len() {
        match pattern.get(of) {
            Some('*') => {
                retry = Some((of, at));
                of += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == name[at] => {
                at += 1;
                of += 1;
            }
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    (of, at) = (star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[of..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_match_as_in_a_windows_folder() {
        for (pattern, name) in [
            ("*.csv", "Stock.CSV"),
            ("stock_*.txt", "stock_2026.txt"),
            ("stock_????.csv", "STOCK_2026.csv"),
            ("*", "anything"),
            ("a*b*c", "aXXbYYbc"),
            ("stock.csv", "stock.csv"),
            ("*", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.csv", "stock.csv.tmp"),
            ("*.csv", "stock.csvx"),
            ("stock_????.csv", "stock_26.csv"),
            ("", "x"),
            ("a*b", "ac"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
