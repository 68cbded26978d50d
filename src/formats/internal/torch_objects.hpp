// The objects that torch.save puts into a pickle by naming globals: which names are allowed, what calling
// them means (ordered dictionaries, tensors), and what a persistent id announces. Everything else is a
// data error that names the global.
#pragma once

#include "src/formats/internal/pickle.hpp"

#include <string_view>

namespace anemll::formats {

/// GLOBAL: looks `module.name` up in the allow list.
Node find_global(PickleDocument& document, std::string_view module, std::string_view name,
                 const Complaint& complain);

/// REDUCE: the meaning of calling a global on a tuple.
Node call_global(PickleDocument& document, NodeId callable, NodeId arguments, const Complaint& complain);

/// BINPERSID: ("storage", class, key, location, count[, view metadata]).
Node find_storage(PickleDocument& document, NodeId persistent_id, const Complaint& complain);

}  // namespace anemll::formats
