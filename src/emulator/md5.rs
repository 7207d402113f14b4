//! MD5 (RFC 1321), for `Content-MD5` only: a check sum, no protection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// By how much each step of the four rounds rotates.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The digest as `Content-MD5` holds it.
pub(super) fn base64(content: &[u8]) -> String {
    STANDARD.encode(digest(content))
}

fn digest(content: &[u8]) -> [u8; 16] {
    let sines = sines();
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let bits = (content.len() as u64).wrapping_mul(8);
    // One bit, zeros, and the length in the last 8 of 64 bytes.
    let zeros = (119 - content.len() % 64) % 64;
    let padding = [0x80].into_iter().chain(std::iter::repeat_n(0, zeros)).chain(bits.to_le_bytes());
    let padded: Vec<u8> = content.iter().copied().chain(padding).collect();
    for block in padded.chunks_exact(64) {
        let words: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64 {
            let (mixed, word) = match step / 16 {
                0 => (b & c | !b & d, step),
                1 => (d & b | !d & c, 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(sines[step]).wrapping_add(words[word % 16]);
            let turned = b.wrapping_add(sum.rotate_left(ROTATIONS[step / 16][step % 4]));
            (a, d, c, b) = (d, c, b, turned);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 16];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

/// `floor(2^32 * |sin(n)|)` of 1 to 64.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 or more, below 2^32")]
fn sines() -> [u32; 64] {
    let mut sines = [0; 64];
    for (sine, step) in sines.iter_mut().zip(1_u32..) {
        *sine = (f64::from(step).sin().abs() * 4_294_967_296.0) as u32;
    }
    sines
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn digests_are_those_of_the_rfc_and_of_every_length_of_padding() {
        assert_eq!(base64(b"abc"), "kAFQmDzST7DWlj99KOF/cg==");
        for (length, expected) in [
            (0, "1B2M2Y8AsgTpgAmY7PhCfg=="),
            (55, "BDZEIOJcUS/ZWKcHOKqPcg=="),
            (56, "Zopy1boX8I5i2ryvrW2xSw=="),
            (63, "fcLKIIEGovcDVnvf+Z2JgQ=="),
            (64, "wbtPgdiSstV5R2gq6yUkVg=="),
            (65, "G8kyBSMC0HS97Dl5X+AM9g=="),
            (1000, "OYUz1IER6fZksfZMsQxLYw=="),
        ] {
            assert_eq!(base64("x".repeat(length).as_bytes()), expected, "{length}");
        }
    }
}
