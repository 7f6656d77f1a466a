//! Operators that put values together, apart, or into another form.

use std::collections::HashMap;

use super::tensor::{Data, Tensor};
use crate::Error;

/// Elements of a shape, bounded.
pub(super) fn count(shape: &[usize]) -> Result<usize, Error> {
    let count = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    count.filter(|count| *count <= 1 << 28).ok_or_else(|| Error::damaged("a value becomes too large"))
}

pub(super) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, Error> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], at: usize| (at + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    let joined = (0..rank).map(|at| match (size(left, at), size(right, at)) {
        (left, right) if left == right => Ok(left),
        (1, other) | (other, 1) => Ok(other),
        _ => Err(Error::damaged(format!("the shapes {left:?} and {right:?} do not fit together"))),
    });
    joined.collect()
}

/// How far each dimension of the joined shape moves within a part's elements.
pub(super) fn strides(own: &[usize], joined: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; joined.len()];
    let mut stride = 1;
    for at in (0..own.len()).rev() {
        let place = at + joined.len() - own.len();
        strides[place] = if own[at] == 1 { 0 } else { stride };
        stride *= own[at];
    }
    strides
}

pub(super) fn position(at: usize, shape: &[usize], strides: &[usize]) -> usize {
    let (mut rest, mut position) = (at, 0);
    for (size, stride) in shape.iter().zip(strides).rev() {
        position += rest % size * stride;
        rest /= size;
    }
    position
}

pub(super) fn cast(tensor: &Tensor, kind: i64) -> Result<Tensor, Error> {
    let data = match (kind, &tensor.data) {
        (1 | 10 | 11, Data::Text(words)) => {
            Data::Float(words.iter().map(|word| word.trim().parse().unwrap_or(f32::NAN)).collect())
        }
        (1 | 10 | 11, _) => Data::Float(tensor.numbers()?),
        (8, Data::Text(words)) => Data::Text(words.clone()),
        (8, Data::Int(values)) => Data::Text(values.iter().map(i64::to_string).collect()),
        (8, Data::Float(values)) => Data::Text(values.iter().map(f32::to_string).collect()),
        (9, _) => Data::Int(tensor.numbers()?.iter().map(|value| i64::from(*value != 0.0)).collect()),
        (2..=7 | 12 | 13, Data::Text(words)) => {
            let ints: Option<Vec<i64>> = words.iter().map(|word| word.trim().parse().ok()).collect();
            Data::Int(ints.ok_or_else(|| Error::damaged("words that are no whole numbers"))?)
        }
        (2..=7 | 12 | 13, _) => Data::Int(tensor.ints()?),
        _ => return Err(Error::unsupported(format!("the element type {kind}"))),
    };
    Tensor::new(tensor.shape.clone(), data)
}

pub(super) fn concat(inputs: &[&Tensor], axis: i64) -> Result<Tensor, Error> {
    let first = inputs[0];
    let axis = first.axis(axis)?;
    let outer: usize = first.shape[..axis].iter().product();
    for input in inputs {
        let fits = input.shape.len() == first.shape.len()
            && input
                .shape
                .iter()
                .zip(&first.shape)
                .enumerate()
                .all(|(at, (own, other))| at == axis || own == other);
        if !fits {
            return Err(Error::damaged(format!("{:?} cannot be joined to {:?}", input.shape, first.shape)));
        }
    }
    let mut shape = first.shape.clone();
    shape[axis] = inputs.iter().map(|input| input.shape[axis]).sum();
    fn join<T: Clone>(parts: &[(&[T], usize)], outer: usize) -> Vec<T> {
        (0..outer)
            .flat_map(|at| {
                parts.iter().flat_map(move |(part, size)| part[at * size..(at + 1) * size].to_vec())
            })
            .collect()
    }
    let sizes: Vec<usize> = inputs.iter().map(|input| input.len() / outer.max(1)).collect();
    let data = if inputs.iter().all(|input| matches!(input.data, Data::Text(_))) {
        let parts: Result<Vec<_>, Error> =
            inputs.iter().zip(&sizes).map(|(input, size)| Ok((input.texts()?, *size))).collect();
        Data::Text(join(&parts?, outer))
    } else if inputs.iter().all(|input| matches!(input.data, Data::Int(_))) {
        let ints: Vec<Vec<i64>> = inputs.iter().map(|input| input.ints()).collect::<Result<_, _>>()?;
        let parts: Vec<(&[i64], usize)> =
            ints.iter().zip(&sizes).map(|(part, size)| (part.as_slice(), *size)).collect();
        Data::Int(join(&parts, outer))
    } else {
        let floats: Vec<Vec<f32>> = inputs.iter().map(|input| input.numbers()).collect::<Result<_, _>>()?;
        let parts: Vec<(&[f32], usize)> =
            floats.iter().zip(&sizes).map(|(part, size)| (part.as_slice(), *size)).collect();
        Data::Float(join(&parts, outer))
    };
    Tensor::new(shape, data)
}

pub(super) fn reshape(tensor: &Tensor, wanted: &[i64], rows: usize) -> Result<Tensor, Error> {
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (at, size) in wanted.iter().enumerate() {
        shape.push(match size {
            -1 if open.replace(at).is_none() => 1,
            0 => tensor.shape.get(at).copied().unwrap_or(1),
            size => usize::try_from(*size).map_err(|_| Error::damaged("a shape with negative sizes"))?,
        });
    }
    if let Some(at) = open {
        let known = count(&shape)?;
        shape[at] = tensor.len().checked_div(known).unwrap_or(0);
    } else if count(&shape)? != tensor.len() && shape.first() == Some(&1) {
        // Some exporters write the shape of a single row.
        shape[0] = rows;
    }
    Tensor::new(shape, tensor.data.clone())
}

pub(super) fn unsqueeze(tensor: &Tensor, axes: &[i64]) -> Result<Tensor, Error> {
    let rank = (tensor.shape.len() + axes.len()) as i64;
    let mut places: Vec<i64> = axes.iter().map(|axis| if *axis < 0 { axis + rank } else { *axis }).collect();
    places.sort_unstable();
    let mut shape = tensor.shape.clone();
    for place in places {
        let place = usize::try_from(place).ok().filter(|place| *place <= shape.len());
        shape.insert(place.ok_or_else(|| Error::damaged("a dimension that cannot be"))?, 1);
    }
    Tensor::new(shape, tensor.data.clone())
}

pub(super) fn squeeze(tensor: &Tensor, axes: Option<&[i64]>) -> Result<Tensor, Error> {
    let dropped: Vec<usize> = match axes {
        Some(axes) => axes.iter().map(|axis| tensor.axis(*axis)).collect::<Result<_, _>>()?,
        None => (0..tensor.shape.len()).filter(|at| tensor.shape[*at] == 1).collect(),
    };
    let kept = tensor.shape.iter().enumerate().filter(|(at, _)| !dropped.contains(at)).map(|(_, size)| *size);
    Tensor::new(kept.collect(), tensor.data.clone())
}

pub(super) fn reduce(
    tensor: &Tensor,
    axis: Option<i64>,
    keeps: bool,
    of: impl Fn(&[f32]) -> f32,
) -> Result<Tensor, Error> {
    let values = tensor.numbers()?;
    let Some(axis) = axis else {
        let shape = if keeps { vec![1; tensor.shape.len()] } else { Vec::new() };
        return Tensor::new(shape, Data::Float(vec![of(&values)]));
    };
    let axis = tensor.axis(axis)?;
    let size = tensor.shape[axis];
    let inner: usize = tensor.shape[axis + 1..].iter().product();
    let outer: usize = tensor.shape[..axis].iter().product();
    let mut reduced = Vec::with_capacity(outer * inner);
    let mut line = vec![0.0; size];
    for row in 0..outer {
        for column in 0..inner {
            for (at, slot) in line.iter_mut().enumerate() {
                *slot = values[(row * size + at) * inner + column];
            }
            reduced.push(of(&line));
        }
    }
    let mut shape = tensor.shape.clone();
    if keeps {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    Tensor::new(shape, Data::Float(reduced))
}

pub(super) fn product(
    left: &Tensor,
    right: &Tensor,
    turns_left: bool,
    turns_right: bool,
) -> Result<Tensor, Error> {
    let ([_, _], [_, _]) = (left.shape.as_slice(), right.shape.as_slice()) else {
        return Err(Error::unsupported("products of other than tables"));
    };
    let sides =
        |shape: &[usize], turns: bool| if turns { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
    let ((rows, inner), (other, columns)) =
        (sides(&left.shape, turns_left), sides(&right.shape, turns_right));
    if inner != other {
        return Err(Error::damaged(format!("{:?} times {:?} does not fit", left.shape, right.shape)));
    }
    let (left_values, right_values) = (left.numbers()?, right.numbers()?);
    let mut values = vec![0.0f32; count(&[rows, columns])?];
    for row in 0..rows {
        let out = &mut values[row * columns..(row + 1) * columns];
        for at in 0..inner {
            let factor = left_values[if turns_left { at * rows + row } else { row * inner + at }];
            // Rows of words are mostly zero.
            if factor == 0.0 {
                continue;
            }
            for (column, slot) in out.iter_mut().enumerate() {
                *slot += factor
                    * right_values[if turns_right { column * inner + at } else { at * columns + column }];
            }
        }
    }
    Tensor::new(vec![rows, columns], Data::Float(values))
}

pub(super) fn gather(tensor: &Tensor, indexes: &Tensor, axis: i64) -> Result<Tensor, Error> {
    let axis = tensor.axis(axis)?;
    let size = tensor.shape[axis];
    let inner: usize = tensor.shape[axis + 1..].iter().product();
    let outer: usize = tensor.shape[..axis].iter().product();
    let wanted: Option<Vec<usize>> = indexes
        .ints()?
        .iter()
        .map(|index| usize::try_from(if *index < 0 { index + size as i64 } else { *index }).ok())
        .map(|index| index.filter(|index| *index < size))
        .collect();
    let wanted = wanted.ok_or_else(|| Error::damaged("an index that leads outside"))?;
    count(&[outer, wanted.len(), inner])?;
    fn pick<T: Clone>(values: &[T], wanted: &[usize], sides: (usize, usize, usize)) -> Vec<T> {
        let (outer, size, inner) = sides;
        let rows = (0..outer).flat_map(|row| wanted.iter().map(move |at| (row * size + at) * inner));
        rows.flat_map(|start| values[start..start + inner].to_vec()).collect()
    }
    let sides = (outer, size, inner);
    let data = match &tensor.data {
        Data::Float(values) => Data::Float(pick(values, &wanted, sides)),
        Data::Int(values) => Data::Int(pick(values, &wanted, sides)),
        Data::Text(values) => Data::Text(pick(values, &wanted, sides)),
    };
    let mut shape = tensor.shape[..axis].to_vec();
    if indexes.shape.len() == 1 || (axis > 0 && indexes.shape.len() == 2 && indexes.shape[0] == 1) {
        shape.push(wanted.len());
    } else {
        shape.extend(&indexes.shape);
    }
    shape.extend(&tensor.shape[axis + 1..]);
    Tensor::new(shape, data)
}

pub(super) fn choose(condition: &Tensor, yes: &Tensor, no: Option<&Tensor>) -> Result<Tensor, Error> {
    let no = no.ok_or_else(|| Error::damaged("a choice without its third input"))?;
    let shape = broadcast(&broadcast(&condition.shape, &yes.shape)?, &no.shape)?;
    let at = [condition, yes, no].map(|tensor| strides(&tensor.shape, &shape));
    let (conditions, yes, no) = (condition.numbers()?, yes.numbers()?, no.numbers()?);
    let value = |index: usize| {
        let [condition_at, yes_at, no_at] = [0, 1, 2].map(|part: usize| position(index, &shape, &at[part]));
        if conditions[condition_at] != 0.0 { yes[yes_at] } else { no[no_at] }
    };
    let values = (0..count(&shape)?).map(value).collect();
    Tensor::new(shape.clone(), Data::Float(values))
}

pub(super) fn per_column(tensor: &Tensor, of: impl Fn(usize, f32) -> f32) -> Result<Tensor, Error> {
    let width = tensor.width().max(1);
    let values = tensor.numbers()?.into_iter().enumerate().map(|(at, value)| of(at % width, value));
    Tensor::new(tensor.shape.clone(), Data::Float(values.collect()))
}

pub(super) fn normalize(tensor: &Tensor, norm: &str) -> Result<Tensor, Error> {
    let mut values = tensor.numbers()?;
    for row in values.chunks_mut(tensor.width().max(1)) {
        let size = match norm {
            "L1" => row.iter().map(|value| value.abs()).sum(),
            "L2" => row.iter().map(|value| value * value).sum::<f32>().sqrt(),
            _ => row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        };
        if size != 0.0 {
            row.iter_mut().for_each(|value| *value /= size);
        }
    }
    Tensor::new(tensor.shape.clone(), Data::Float(values))
}

pub(super) fn one_hot(
    tensor: &Tensor,
    codes: &HashMap<String, usize>,
    rest: (usize, bool),
) -> Result<Tensor, Error> {
    let (width, allows_unknown) = rest;
    let words: Vec<String> = match &tensor.data {
        Data::Text(words) => words.clone(),
        _ => tensor.ints()?.iter().map(i64::to_string).collect(),
    };
    let mut values = vec![0.0; count(&[words.len(), width])?];
    for (at, word) in words.iter().enumerate() {
        match codes.get(word) {
            Some(code) => values[at * width + code] = 1.0,
            None if allows_unknown => {}
            None => {
                return Err(Error::new(
                    crate::ErrorKind::Input,
                    format!("`{word}` is no category the model knows"),
                ));
            }
        }
    }
    let mut shape = tensor.shape.clone();
    shape.push(width);
    Tensor::new(shape, Data::Float(values))
}
