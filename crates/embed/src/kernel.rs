//! The arithmetic of an encoder, compiled for the vector units of the machine at hand.
//!
//! A sum is always taken in the same order, whatever else is in a batch, so that a text's vector
//! depends on the text alone. Machines with different vector units may differ in the last bits.

/// Strands of a sum that vector units take side by side.
const PANEL: usize = 16;

/// Compiles a function for the widest vector units that are found at run time.
macro_rules! dispatch {
    ($(#[$meta:meta])* pub(crate) fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        pub(crate) fn $name($($arg: $type),*) {
            #[inline(always)]
            fn generic<const FUSED: bool>($($arg: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn widest($($arg: $type),*) {
                    generic::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $type),*) {
                    generic::<true>($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: the features were just found.
                    return unsafe { widest($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the features were just found.
                    return unsafe { wide($($arg),*) };
                }
            }
            // Every 64-bit ARM fuses; elsewhere fusing would be a call per multiplication.
            generic::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}

#[inline(always)]
fn add_product<const FUSED: bool>(sum: f32, a: f32, b: f32) -> f32 {
    if FUSED { a.mul_add(b, sum) } else { sum + a * b }
}

/// How one sequence looks at itself: `[tokens][3 * width]` of queries, keys and values.
pub(crate) struct Glance<'a> {
    pub(crate) mixed: &'a [f32],
    pub(crate) heads: usize,
    pub(crate) width: usize,
}

dispatch! {
    /// Each head's mean of values, weighted by how well keys fit a query, `[tokens][width]`.
    pub(crate) fn attend(glance: &Glance<'_>, out: &mut [f32]) {
        let Glance { mixed, heads, width } = *glance;
        let (stride, head_width) = (3 * width, width / heads);
        let tokens = mixed.len() / stride;
        let scale = 1.0 / (head_width as f32).sqrt();
        let mut keys = vec![0.0f32; tokens * head_width];
        let mut scores = vec![0.0f32; tokens];
        for head in 0..heads {
            let first = head * head_width;
            // Keys lie column by column, so that all scores of a query grow side by side.
            for token in 0..tokens {
                for at in 0..head_width {
                    keys[at * tokens + token] = mixed[token * stride + width + first + at];
                }
            }
            for token in 0..tokens {
                let query = &mixed[token * stride + first..][..head_width];
                scores.fill(0.0);
                for (value, keys) in query.iter().zip(keys.chunks_exact(tokens)) {
                    for (score, key) in scores.iter_mut().zip(keys) {
                        *score = add_product::<FUSED>(*score, value * scale, *key);
                    }
                }
                let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let mut total = 0.0;
                for score in &mut scores {
                    *score = exp(*score - top);
                }
                for score in &scores {
                    total += score;
                }
                let out = &mut out[token * width + first..][..head_width];
                out.fill(0.0);
                for (other, score) in scores.iter().enumerate() {
                    let values = &mixed[other * stride + 2 * width + first..][..head_width];
                    let share = score / total;
                    for (out, value) in out.iter_mut().zip(values) {
                        *out = add_product::<FUSED>(*out, share, *value);
                    }
                }
            }
        }
    }
}

/// Scale and shift after bringing a vector to mean 0 and variance 1.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) epsilon: f32,
}

dispatch! {
    /// Adds `more` to every row and normalises the rows.
    pub(crate) fn add_and_normalize(norm: &Norm, rows: &mut [f32], more: &[f32]) {
        let width = norm.scale.len();
        let _ = FUSED;
        for (row, more) in rows.chunks_exact_mut(width).zip(more.chunks_exact(width)) {
            for (value, more) in row.iter_mut().zip(more) {
                *value += more;
            }
            let mean = lane_sum(row, |value| value) / width as f32;
            let variance = lane_sum(row, |value| (value - mean) * (value - mean)) / width as f32;
            let factor = 1.0 / (variance + norm.epsilon).sqrt();
            for ((value, scale), shift) in row.iter_mut().zip(&norm.scale).zip(&norm.shift) {
                *value = (*value - mean) * factor * scale + shift;
            }
        }
    }
}

/// A sum in sixteen strands, which vector units can take side by side.
#[inline(always)]
fn lane_sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<PANEL>();
    let mut lanes = [0.0f32; PANEL];
    for chunk in chunks {
        for lane in 0..PANEL {
            lanes[lane] += term(chunk[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| term(*value)).sum::<f32>()
}

/// What stands between the two matrices of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Gelu,
    /// By the hyperbolic tangent.
    GeluTanh,
    Relu,
}

dispatch! {
    pub(crate) fn activate(activation: Activation, values: &mut [f32]) {
        let _ = FUSED;
        match activation {
            Activation::Gelu => values.iter_mut().for_each(|x| *x = 0.5 * *x * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2))),
            Activation::GeluTanh => values.iter_mut().for_each(|x| {
                let inner = 0.797_884_6 * (*x + 0.044_715 * *x * *x * *x);
                // 0.5 (1 + tanh y) = 1 / (1 + exp(-2 y))
                *x /= 1.0 + exp(-2.0 * inner);
            }),
            Activation::Relu => values.iter_mut().for_each(|x| *x = x.max(0.0)),
        }
    }
}

/// The error function. Source: Abramowitz and Stegun, 7.1.26; the error is below 2e-7.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let series =
        ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    (1.0 - series * exp(-size * size)).copysign(x)
}

/// The exponential function without branches. Source: Cephes, `expf`; relative error about 1e-7.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    // Adding 1.5 * 2^23 rounds: the whole number stands in the low bits.
    let whole = shifted - 12_582_912.0;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let series = ((((1.987_569_1e-4 * rest + 1.398_199_9e-3) * rest + 8.333_452e-3) * rest + 4.166_579_6e-2)
        * rest
        + 1.666_666_5e-1)
        * rest
        + 0.5;
    let power =
        f32::from_bits(((shifted.to_bits() as i32).wrapping_sub(0x4B40_0000).wrapping_add(127) << 23) as u32);
    (series * rest * rest + rest + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_as_exact_as_single_precision_allows() {
        for step in -800..=800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 3e-7 * exact, "exp({x}) = {}", exp(x));
        }
        assert!(exp(-1000.0) < 1e-37 && exp(1000.0) > 1e38);
        // Values of tables.
        for (x, y) in
            [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3), (-1.0, -0.842_700_8)]
        {
            assert!((erf(x) - y).abs() < 5e-7, "erf({x}) = {}", erf(x));
        }
    }
}
