//! Operators that go element by element.

use super::shape::{broadcast, cast, count, position, strides};
use super::tensor::{Data, Tensor};
use crate::Error;

#[derive(Clone, Copy, Debug)]
pub(super) enum Pairwise {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    And,
    Or,
    Least,
    Most,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Single {
    Negative,
    Absolute,
    Exp,
    Log,
    Root,
    Sigmoid,
    Tanh,
    Relu,
    IsNan,
    Not,
    Clip(f32, f32),
}

pub(super) fn pairwise(op: &str) -> Option<Pairwise> {
    Some(match op {
        "Add" => Pairwise::Add,
        "Sub" => Pairwise::Subtract,
        "Mul" => Pairwise::Multiply,
        "Div" => Pairwise::Divide,
        "Pow" => Pairwise::Power,
        "Equal" => Pairwise::Equal,
        "Less" => Pairwise::Less,
        "Greater" => Pairwise::Greater,
        "LessOrEqual" => Pairwise::LessOrEqual,
        "GreaterOrEqual" => Pairwise::GreaterOrEqual,
        "And" => Pairwise::And,
        "Or" => Pairwise::Or,
        "Min" => Pairwise::Least,
        "Max" => Pairwise::Most,
        _ => return None,
    })
}

pub(super) fn single(op: &str) -> Option<Single> {
    Some(match op {
        "Neg" => Single::Negative,
        "Abs" => Single::Absolute,
        "Exp" => Single::Exp,
        "Log" => Single::Log,
        "Sqrt" => Single::Root,
        "Sigmoid" => Single::Sigmoid,
        "Tanh" => Single::Tanh,
        "Relu" => Single::Relu,
        "IsNaN" => Single::IsNan,
        "Not" => Single::Not,
        _ => return None,
    })
}

impl Single {
    pub fn of(self, value: f32) -> f32 {
        match self {
            Self::Negative => -value,
            Self::Absolute => value.abs(),
            Self::Exp => value.exp(),
            Self::Log => value.ln(),
            Self::Root => value.sqrt(),
            Self::Sigmoid => 1.0 / (1.0 + (-value).exp()),
            Self::Tanh => value.tanh(),
            Self::Relu => value.max(0.0),
            Self::IsNan => f32::from(u8::from(value.is_nan())),
            Self::Not => f32::from(u8::from(value == 0.0)),
            // Bounds of a damaged file may be turned round, which `clamp` does not allow.
            Self::Clip(least, most) => value.max(least).min(most),
        }
    }
}

impl Pairwise {
    pub fn of(self, left: f32, right: f32) -> f32 {
        let truth = |is_so: bool| f32::from(u8::from(is_so));
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Power => left.powf(right),
            Self::Equal => truth(left == right),
            Self::Less => truth(left < right),
            Self::Greater => truth(left > right),
            Self::LessOrEqual => truth(left <= right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::Least => left.min(right),
            Self::Most => left.max(right),
        }
    }

    pub fn run(self, left: &Tensor, right: &Tensor) -> Result<Tensor, Error> {
        let shape = broadcast(&left.shape, &right.shape)?;
        let (left_at, right_at) = (strides(&left.shape, &shape), strides(&right.shape, &shape));
        let count = count(&shape)?;
        let is_text = matches!((&left.data, &right.data), (Data::Text(_), Data::Text(_)));
        if is_text && matches!(self, Self::Equal) {
            let (left, right) = (left.texts()?, right.texts()?);
            let equal = (0..count).map(|at| {
                i64::from(left[position(at, &shape, &left_at)] == right[position(at, &shape, &right_at)])
            });
            return Tensor::new(shape.clone(), Data::Int(equal.collect()));
        }
        let is_int = matches!((&left.data, &right.data), (Data::Int(_), Data::Int(_)));
        let (left, right) = (left.numbers()?, right.numbers()?);
        let value =
            |at: usize| self.of(left[position(at, &shape, &left_at)], right[position(at, &shape, &right_at)]);
        let values: Vec<f32> = (0..count).map(value).collect();
        let is_truth = !matches!(
            self,
            Self::Add
                | Self::Subtract
                | Self::Multiply
                | Self::Divide
                | Self::Power
                | Self::Least
                | Self::Most
        );
        let tensor = Tensor::new(shape, Data::Float(values))?;
        if is_truth || is_int { cast(&tensor, 7) } else { Ok(tensor) }
    }
}
