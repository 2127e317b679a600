//! Looking for a header.

use std::hint::black_box;

use headwater_protocol::headers::{self, HeaderBuilder, names};

use super::{Operation, Work, run};

const ITEMS: u64 = 64;

pub fn operations() -> Vec<Operation> {
    vec![
        Operation {
            name: "header found behind seven others",
            items: ITEMS,
            make: || find(b"Device-7", true),
        },
        Operation { name: "header not found among eight", items: ITEMS, make: || find(names::MSG_ID, false) },
    ]
}

fn find(name: &'static [u8], is_there: bool) -> Box<dyn Work> {
    let block = (0..8).fold(HeaderBuilder::new(), |block, number| {
        block.add(format!("Device-{number}").as_bytes(), b"thermometer in the hall")
    });
    let block = block.finish();
    run(move || {
        for _ in 0..ITEMS {
            assert_eq!(headers::get(black_box(&block), black_box(name)).is_some(), is_there);
        }
    })
}
