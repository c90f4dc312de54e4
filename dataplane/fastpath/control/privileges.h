// After start the open descriptors are all that the fast path needs: every capability goes, for good.
// References: capabilities(7), prctl(2) PR_SET_NO_NEW_PRIVS.
// Threading: acts on the calling thread; threads made later inherit it.
#pragma once

#include <string>

#include <tl/expected.hpp>

namespace headgate::fastpath {

tl::expected<void, std::string> drop_privileges();

}  // namespace headgate::fastpath
