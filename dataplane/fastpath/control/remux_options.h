// A channel's `remux` as the service filter takes it. Threading: a pure function.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "control/protocol/state.h"
#include "mpegts/remux/service_filter.h"

namespace headgate::fastpath {

// The error names what can't be.
tl::expected<mpegts::RemuxOptions, std::string> remux_options(const protocol::RemuxState& from);

}  // namespace headgate::fastpath
