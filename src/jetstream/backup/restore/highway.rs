//! HighwayHash, 64 bits: the checksum nats-server's message blocks carry. Its words are those of the published algorithm.

/// The two constants every state begins with.
const INIT_0: [u64; 4] =
    [0xdbe6_d5d5_fe4c_ce2f, 0xa409_3822_299f_31d0, 0x1319_8a2e_0370_7344, 0x243f_6a88_85a3_08d3];
const INIT_1: [u64; 4] =
    [0x3bd3_9e10_cb0e_f593, 0xc0ac_f169_b5f1_8a8c, 0xbe54_66cf_34e9_0c6c, 0x4528_21e6_38d0_1377];
const PACKET_BYTES: usize = 32;

/// A hash of bytes that come in pieces.
#[derive(Debug, Clone)]
pub struct HighwayHash {
    v0: [u64; 4],
    v1: [u64; 4],
    mul0: [u64; 4],
    mul1: [u64; 4],
    waiting: Vec<u8>,
}

impl HighwayHash {
    /// A hash of nothing yet.
    pub fn new(key: &[u8; 32]) -> Self {
        let key = words(key);
        let xor = |a: [u64; 4], b: [u64; 4]| std::array::from_fn(|i| a[i] ^ b[i]);
        Self {
            v0: xor(INIT_0, key),
            v1: xor(INIT_1, key.map(|word| word.rotate_left(32))),
            mul0: INIT_0,
            mul1: INIT_1,
            waiting: Vec::with_capacity(PACKET_BYTES),
        }
    }

    /// Takes bytes in.
    pub fn write(&mut self, bytes: &[u8]) {
        let missing = (PACKET_BYTES - self.waiting.len()).min(bytes.len());
        let (now, later) = bytes.split_at(missing);
        self.waiting.extend_from_slice(now);
        if let Some(packet) = self.waiting.first_chunk::<PACKET_BYTES>().copied() {
            self.update(words(&packet));
            self.waiting.clear();
            let (packets, rest) = later.as_chunks_of_packets();
            packets.for_each(|packet| self.update(words(packet)));
            self.waiting.extend_from_slice(rest);
        }
    }

    /// The hash.
    pub fn finish(mut self) -> u64 {
        if !self.waiting.is_empty() {
            self.update_remainder();
        }
        for _ in 0..4 {
            let [a, b, c, d] = self.v0;
            self.update([c, d, a, b].map(|word| word.rotate_left(32)));
        }
        self.v0[0].wrapping_add(self.v1[0]).wrapping_add(self.mul0[0]).wrapping_add(self.mul1[0])
    }

    fn update(&mut self, packet: [u64; 4]) {
        let low = |word: u64| word & 0xffff_ffff;
        for (i, word) in packet.into_iter().enumerate() {
            self.v1[i] = self.v1[i].wrapping_add(word).wrapping_add(self.mul0[i]);
            self.mul0[i] ^= low(self.v1[i]).wrapping_mul(self.v0[i] >> 32);
            self.v0[i] = self.v0[i].wrapping_add(self.mul1[i]);
            self.mul1[i] ^= low(self.v0[i]).wrapping_mul(self.v1[i] >> 32);
        }
        for (even, odd) in [(0, 1), (2, 3)] {
            let (a, b) = zipper_merge(self.v1[odd], self.v1[even]);
            self.v0[even] = self.v0[even].wrapping_add(a);
            self.v0[odd] = self.v0[odd].wrapping_add(b);
        }
        for (even, odd) in [(0, 1), (2, 3)] {
            let (a, b) = zipper_merge(self.v0[odd], self.v0[even]);
            self.v1[even] = self.v1[even].wrapping_add(a);
            self.v1[odd] = self.v1[odd].wrapping_add(b);
        }
    }

    /// The last bytes, fewer than a packet.
    fn update_remainder(&mut self) {
        let rest = std::mem::take(&mut self.waiting);
        let length = rest.len() as u64;
        let remainder = rest.len() & 3;
        let aligned = rest.len() - remainder;
        for word in &mut self.v0 {
            *word = word.wrapping_add((length << 32) + length);
        }
        for word in &mut self.v1 {
            let rotate = |half: u64| u64::from((half as u32).rotate_left(length as u32));
            *word = rotate(*word) | rotate(*word >> 32) << 32;
        }
        let mut packet = [0; PACKET_BYTES];
        let (head, tail) = rest.split_at(aligned);
        packet[..aligned].copy_from_slice(head);
        if length & 16 != 0 {
            packet[28..].copy_from_slice(&rest[rest.len() - 4..]);
        } else if remainder > 0 {
            packet[16] = tail[0];
            packet[17] = tail[remainder >> 1];
            packet[18] = tail[remainder - 1];
        }
        self.update(words(&packet));
    }
}

/// Mixes the bytes of two words.
fn zipper_merge(odd: u64, even: u64) -> (u64, u64) {
    let a = (((even & 0xff00_0000) | (odd & 0xff_0000_0000)) >> 24)
        | (((even & 0xff00_0000_0000) | (odd & 0xff_0000_0000_0000)) >> 16)
        | (even & 0xff_0000)
        | ((even & 0xff00) << 32)
        | ((odd & 0xff00_0000_0000_0000) >> 8)
        | (even << 56);
    let b = (((odd & 0xff00_0000) | (even & 0xff_0000_0000)) >> 24)
        | (odd & 0xff_0000)
        | ((odd & 0xff00_0000_0000) >> 16)
        | ((odd & 0xff00) << 24)
        | ((even & 0xff_0000_0000_0000) >> 8)
        | ((odd & 0xff) << 48)
        | (even & 0xff00_0000_0000_0000);
    (a, b)
}

fn words(packet: &[u8; PACKET_BYTES]) -> [u64; 4] {
    std::array::from_fn(|i| {
        let word = packet.get(8 * i..).and_then(|bytes| bytes.first_chunk::<8>());
        word.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    })
}

trait Packets {
    fn as_chunks_of_packets(&self) -> (impl Iterator<Item = &[u8; PACKET_BYTES]>, &[u8]);
}

impl Packets for [u8] {
    fn as_chunks_of_packets(&self) -> (impl Iterator<Item = &[u8; PACKET_BYTES]>, &[u8]) {
        let chunks = self.chunks_exact(PACKET_BYTES);
        let rest = chunks.remainder();
        (chunks.filter_map(|chunk| chunk.first_chunk()), rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(data: &[u8], cut: usize) -> u64 {
        let key: [u8; 32] = std::array::from_fn(|i| i as u8);
        let mut hash = HighwayHash::new(&key);
        data.chunks(cut).for_each(|piece| hash.write(piece));
        hash.finish()
    }

    /// Of the bytes 0, 1, 2 … of these lengths, under the key 0, 1, 2 …, as in the algorithm's own test.
    #[test]
    fn hashes_are_those_of_other_implementations() {
        let expected = [
            (0, 0x907A_56DE_22C2_6E53),
            (1, 0x7EAB_43AA_C7CD_DD78),
            (3, 0x5C6B_EFAB_8A46_3D80),
            (5, 0x2B8A_1668_E4A9_4541),
            (16, 0xCFAB_3489_F97E_B832),
            (19, 0x75D9_518E_2371_C504),
            (31, 0x9FC7_007C_CF03_5A68),
            (32, 0xA0C9_64D9_ECD5_80FC),
            (33, 0x2C90_F73C_A031_81FC),
            (100, 0x7E42_CC4F_1EF9_0033),
        ];
        for (length, hashed) in expected {
            let data: Vec<u8> = (0..length).collect();
            assert_eq!(hash(&data, 64), hashed, "{length} bytes");
        }
    }

    #[test]
    fn pieces_do_not_matter() {
        let data: Vec<u8> = (0..200).collect();
        for cut in 1..100 {
            assert_eq!(hash(&data, cut), hash(&data, 200));
        }
    }
}
