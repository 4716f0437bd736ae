//! The check of functions.

use sqlparser::ast::{
    Function as ParsedFunction, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments,
};

use super::super::Refusal;
use super::Checker;
use super::name::single;
use super::typed::{Typed, shared_type};
use crate::limits::QUERY_ARGUMENTS_MAX;
use crate::policy_query::{Expression, Function, ValueType};

impl Checker {
    pub(super) fn function(&mut self, function: &ParsedFunction) -> Result<Typed, Refusal> {
        let ParsedFunction {
            name,
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args:
                FunctionArguments::List(FunctionArgumentList {
                    duplicate_treatment: None,
                    args,
                    clauses,
                }),
            within_group,
            filter: None,
            null_treatment: None,
            over: None,
        } = function
        else {
            return Err(Refusal(format!(
                "`{}` is not served with more than values",
                function.name
            )));
        };
        if !clauses.is_empty() || !within_group.is_empty() {
            return Err(Refusal(format!("`{name}` is not served with more than values")));
        }
        let name = single(name)?;
        if name == "count" {
            return self.count(args);
        }
        if !matches!(
            name.as_str(),
            "coalesce" | "split_part" | "jsonb_build_object" | "jsonb_build_array"
        ) {
            return Err(unserved(&name));
        }
        if args.len() > QUERY_ARGUMENTS_MAX {
            return Err(Refusal(format!("`{name}` takes at most {QUERY_ARGUMENTS_MAX} values")));
        }
        let mut arguments = Vec::new();
        for argument in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument else {
                return Err(Refusal(format!("`{name}` takes values, without names or `*`")));
            };
            arguments.push(self.expression(argument)?);
        }
        match name.as_str() {
            "coalesce" => self.coalesce(arguments),
            "split_part" => self.split_part(arguments),
            "jsonb_build_object" => self.build_object(arguments),
            "jsonb_build_array" => {
                let items: Result<_, _> = arguments.into_iter().map(|a| self.as_json(a)).collect();
                Ok(Typed::Known(ValueType::Json, Expression::Call(Function::BuildArray, items?)))
            }
            _ => Err(unserved(&name)),
        }
    }

    /// `count(*)`, in the columns of a SELECT.
    fn count(&mut self, args: &[FunctionArg]) -> Result<Typed, Refusal> {
        let [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] = args else {
            return Err(Refusal::new("of `count`, only `count(*)` is served"));
        };
        match self.scope.innermost() {
            Some(level) if level.in_columns => {
                level.counts = true;
                Ok(Typed::Known(ValueType::Integer, Expression::Count))
            }
            Some(_) | None => Err(Refusal::new(
                "count(*) stands in the columns of a SELECT, not in FROM or WHERE",
            )),
        }
    }

    fn coalesce(&mut self, arguments: Vec<Typed>) -> Result<Typed, Refusal> {
        if arguments.is_empty() {
            return Err(Refusal::new("`coalesce` takes one value or more"));
        }
        let of = shared_type(&arguments);
        let values: Result<_, _> =
            arguments.into_iter().map(|argument| self.as_type(argument, of)).collect();
        Ok(Typed::Known(of, Expression::Coalesce(values?)))
    }

    fn split_part(&mut self, arguments: Vec<Typed>) -> Result<Typed, Refusal> {
        let types = [ValueType::Text, ValueType::Text, ValueType::Integer];
        if arguments.len() != types.len() {
            return Err(Refusal::new("`split_part` takes a text, a delimiter and a number"));
        }
        let values: Result<_, _> =
            arguments.into_iter().zip(types).map(|(a, of)| self.as_type(a, of)).collect();
        Ok(Typed::Known(ValueType::Text, Expression::Call(Function::SplitPart, values?)))
    }

    fn build_object(&mut self, arguments: Vec<Typed>) -> Result<Typed, Refusal> {
        if arguments.len() % 2 == 1 {
            return Err(Refusal::new("`jsonb_build_object` takes pairs of a key and a value"));
        }
        let mut values = Vec::new();
        for (index, argument) in arguments.into_iter().enumerate() {
            values.push(if index % 2 == 0 {
                self.as_type(argument, ValueType::Text)?
            } else {
                self.as_json(argument)?
            });
        }
        Ok(Typed::Known(ValueType::Json, Expression::Call(Function::BuildObject, values)))
    }
}

fn unserved(name: &str) -> Refusal {
    Refusal(format!(
        "the function `{name}` is not served; count(*), coalesce, split_part, jsonb_build_object, \
         jsonb_build_array and, in FROM, jsonb_array_elements are"
    ))
}
