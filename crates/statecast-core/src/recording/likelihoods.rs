//! Probabilities of the actions taken: logarithms or not, whatever the column is called.

use super::Roles;
use super::cells::Block;
use super::table::Table;

impl Table {
    /// Makes log probabilities of what the column holds. Those of whole-number actions are 0 or less; densities of
    /// others may be of any size.
    pub(super) fn take_logarithms(&mut self, roles: &mut Roles) {
        let [actions, known] =
            [Block::Action, Block::LogProbability].map(|block| &self.blocks[block as usize]);
        let Some(name) = known.names.first().cloned() else {
            return;
        };
        let values = || known.values.iter().filter(|value| value.is_finite());
        let whole = |value: &f64| value.fract() == 0.0;
        let discrete = !actions.names.is_empty() && actions.values.iter().all(whole);
        let positive = values().count() > 0 && values().all(|value| *value > 0.0);
        let shares = positive && values().all(|value| *value <= 1.0);
        let negative = values().all(|value| *value <= 0.0) && values().any(|value| *value < 0.0);
        let log = match (self.of_probabilities, discrete) {
            (false, true) if shares => {
                roles.warnings.push(format!(
                    "{name} is called like a log probability and holds numbers from above 0 to 1, which those of \
                     whole-number actions cannot be: they are read as probabilities"
                ));
                false
            }
            (false, false) if shares => {
                roles.warnings.push(format!(
                    "{name} is called like a log probability and holds numbers from above 0 to 1 alone: if these are \
                     probabilities or densities, write their logarithms"
                ));
                true
            }
            (false, _) => true,
            (true, _) if negative => {
                roles.warnings.push(format!(
                    "{name} is called like a probability and holds negative numbers: they are read as log probabilities"
                ));
                true
            }
            (true, true) if shares => false,
            (true, false) if positive => false,
            (true, _) => {
                roles.warnings.push(format!(
                    "{name} is called like a probability of the action taken and holds other numbers: it is not used"
                ));
                self.blocks[Block::LogProbability as usize] = Default::default();
                roles.log_probability = Default::default();
                return;
            }
        };
        if !log {
            let values = &mut self.blocks[Block::LogProbability as usize].values;
            values.iter_mut().for_each(|value| *value = value.ln());
        }
    }
}
