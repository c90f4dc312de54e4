// Counts what operator new gives out, for tests of code that must not allocate. A test binary that includes
// this also compiles allocation_count.cpp, which replaces operator new. Threading: the count is of the
// calling thread.
#pragma once

#include <cstdint>

namespace headgate::test {

// How often this thread has allocated.
std::uint64_t allocations() noexcept;

}  // namespace headgate::test
