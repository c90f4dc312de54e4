// A ring's file belongs to both ends, and either can cut it off: an access beyond its new end is then SIGBUS,
// which would end the process that did nothing wrong. Ranges covered here become zeros instead, which the
// ring's own checks don't believe. Reference: POSIX mmap, "References ... beyond the end of an object".
// Threading: cover() and uncover() from any thread; the handler runs on the thread that touched the range.
// Ownership: the handler and its table are the process's, from the first cover() on.
#pragma once

#include <cstddef>

namespace headgate::ring {

// Nothing where the table is full: the range is then as it was.
void cover(void* memory, std::size_t size) noexcept;
void uncover(void* memory) noexcept;

}  // namespace headgate::ring
