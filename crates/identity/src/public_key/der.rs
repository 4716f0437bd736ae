//! As much of DER as a public key is written in (X.690; RFC 5280 section 4.1.2.7, RFC 8017
//! appendix A.1.1, RFC 5480, RFC 8410).

use super::{Curve, PublicKey, PublicKeyFault};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const NULL: &[u8] = &[0x05, 0x00];
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const CURVES: [(&[u8], Curve); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], Curve::P256),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], Curve::P384),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], Curve::P521),
];

/// Reads a `SubjectPublicKeyInfo`.
pub(super) fn subject_public_key(der: &[u8]) -> Result<PublicKey, PublicKeyFault> {
    let Some((algorithm, parameters, key)) = parts(der) else {
        return Err(PublicKeyFault::NotPem);
    };
    match algorithm {
        RSA_ENCRYPTION if parameters == NULL || parameters.is_empty() => rsa_public_key(key),
        EC_PUBLIC_KEY => {
            let curve = whole(parameters, OBJECT_IDENTIFIER)
                .and_then(|named| CURVES.into_iter().find(|(id, _)| *id == named));
            let (_, curve) = curve.ok_or(PublicKeyFault::UnknownKind)?;
            point(curve, key).ok_or(PublicKeyFault::Unsound)
        }
        ED25519 if parameters.is_empty() => Ok(PublicKey::Edwards { x: key.to_vec() }),
        _ => Err(PublicKeyFault::UnknownKind),
    }
}

/// Reads an `RSAPublicKey` of PKCS#1.
pub(super) fn rsa_public_key(der: &[u8]) -> Result<PublicKey, PublicKeyFault> {
    let numbers = || {
        let mut inside = whole(der, SEQUENCE)?;
        let (n, e) = (next(&mut inside, INTEGER)?, next(&mut inside, INTEGER)?);
        let positive =
            |number: &[u8]| number.first().is_some_and(|first| first.leading_zeros() > 0);
        (inside.is_empty() && positive(n) && positive(e)).then(|| (n.to_vec(), e.to_vec()))
    };
    let (n, e) = numbers().ok_or(PublicKeyFault::NotPem)?;
    Ok(PublicKey::Rsa { n, e })
}

/// The algorithm, its parameters and the key.
fn parts(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut inside = whole(der, SEQUENCE)?;
    let mut algorithm = next(&mut inside, SEQUENCE)?;
    let key = whole(inside, BIT_STRING)?;
    let (unused_bits, key) = key.split_first()?;
    let name = next(&mut algorithm, OBJECT_IDENTIFIER)?;
    (*unused_bits == 0).then_some((name, algorithm, key))
}

fn point(curve: Curve, key: &[u8]) -> Option<PublicKey> {
    const UNCOMPRESSED: u8 = 4;
    let (form, coordinates) = key.split_first()?;
    if *form != UNCOMPRESSED || coordinates.len() != curve.length() * 2 {
        return None;
    }
    let (x, y) = coordinates.split_at_checked(curve.length())?;
    Some(PublicKey::Elliptic { curve, x: x.to_vec(), y: y.to_vec() })
}

/// What is inside the one element of that tag, nothing following it.
fn whole(mut input: &[u8], tag: u8) -> Option<&[u8]> {
    let inside = next(&mut input, tag)?;
    input.is_empty().then_some(inside)
}

/// What is inside the next element, if it has that tag; the input then begins behind it.
fn next<'d>(input: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    const LONG: u8 = 0x80;
    const LENGTH_BYTES_MAX: u8 = 2;
    let (found, rest) = input.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if *first >= LONG {
        let bytes = *first & !LONG;
        if bytes == 0 || bytes > LENGTH_BYTES_MAX {
            return None;
        }
        let (digits, behind) = rest.split_at_checked(usize::from(bytes))?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        // A length has one spelling: the shortest.
        if digits.first() == Some(&0) || length < usize::from(LONG) {
            return None;
        }
        rest = behind;
    }
    let (inside, behind) = rest.split_at_checked(length)?;
    *input = behind;
    (*found == tag).then_some(inside)
}

#[cfg(test)]
mod tests {
    use firewarden_testkit::key;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_key_is_read_and_no_shortened_or_bent_one_is_another() {
        for (algorithm, kind) in
            [("RS256", "RSA"), ("ES256", "EC"), ("ES384", "EC"), ("ES512", "EC"), ("EdDSA", "OKP")]
        {
            let der = key(algorithm).public_der();
            assert_eq!(subject_public_key(&der).ok().map(|key| key.kind()), Some(kind));
            for length in 0..der.len() {
                assert!(subject_public_key(&der[..length]).is_err(), "{algorithm} {length}");
            }
            let longer = [&der[..], &[0]].concat();
            assert!(subject_public_key(&longer).is_err(), "{algorithm}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_key_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (subject_public_key(&bytes), rsa_public_key(&bytes));
        }

        #[test]
        fn a_bent_key_is_read_or_refused(at in 0_usize..91, to in any::<u8>()) {
            let mut der = key("ES256").public_der();
            der[at] = to;
            let _ = subject_public_key(&der).map(|key| key.verifiers(|_| true).is_ok());
        }
    }
}
