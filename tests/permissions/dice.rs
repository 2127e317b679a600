//! Generated permissions, the same ones every time.

use std::fmt;

/// What one user may do, as it is configured.
pub struct Rules {
    pub publish: Lists,
    pub subscribe: Lists,
    pub responses: Responses,
}

#[derive(Default)]
pub struct Lists {
    pub allow: Vec<String>,
    pub deny: Vec<String>,
}

/// `allow_responses`, with the messages it allows for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responses {
    No,
    Once,
    AtMost(usize),
    Unlimited,
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (publish, subscribe) = (&self.publish, &self.subscribe);
        write!(f, "publish: {{ allow: {:?}, deny: {:?} }}, ", publish.allow, publish.deny)?;
        write!(f, "subscribe: {{ allow: {:?}, deny: {:?} }}", subscribe.allow, subscribe.deny)?;
        match self.responses {
            Responses::No => Ok(()),
            Responses::Once => write!(f, ", allow_responses: true"),
            Responses::AtMost(max) => write!(f, ", allow_responses: {{ max: {max}, expires: 1h }}"),
            Responses::Unlimited => write!(f, ", allow_responses: {{ max: -1, expires: 1h }}"),
        }
    }
}

/// The same numbers every time.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    pub fn pattern(&mut self) -> String {
        let tokens: Vec<&str> = (0..=self.below(3)).map(|_| ["a", "b", "*"][self.below(3)]).collect();
        let tail = if self.below(3) == 0 { ".>" } else { "" };
        format!("{}{tail}", tokens.join("."))
    }

    fn entry(&mut self) -> String {
        format!("{}{}", self.pattern(), ["", "", " q", " q.*"][self.below(4)])
    }

    fn list(&mut self, entry: fn(&mut Self) -> String) -> Vec<String> {
        (0..self.below(4)).map(|_| entry(self)).collect()
    }

    /// Rules without `allow_responses`.
    pub fn rules(&mut self) -> Rules {
        let publish = Lists { allow: self.list(Self::pattern), deny: self.list(Self::pattern) };
        let subscribe = Lists { allow: self.list(Self::entry), deny: self.list(Self::entry) };
        Rules { publish, subscribe, responses: Responses::No }
    }

    /// Rules of a service: what it may publish, and how often it may respond.
    pub fn service(&mut self) -> Rules {
        let publish = Lists { allow: self.list(Self::pattern), deny: self.list(Self::pattern) };
        let responses = [Responses::Once, Responses::AtMost(2), Responses::AtMost(5), Responses::Unlimited]
            [self.below(4)];
        Rules { publish, subscribe: Lists::default(), responses }
    }
}
