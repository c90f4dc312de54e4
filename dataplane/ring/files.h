// Making and opening the files and FIFOs of rings; private to this folder. Errors name the file.
// Threading: pure functions, but for the process's umask, which make_fifo() and make_file() change for a
// moment.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

namespace headgate::ring {

tl::unexpected<std::string> failure(const std::string& what, const std::string& path);  // with errno
tl::unexpected<std::string> bad(const std::string& path, const std::string& why);

// One that stands there is kept.
tl::expected<void, std::string> make_fifo(const std::string& path);
// Both ends open for reading and writing: neither blocks, sees end of file, or gets SIGPIPE while the other
// is away.
tl::expected<int, std::string> open_fifo(const std::string& path);
// A new file of `size` bytes in that place, allocated: a full tmpfs must be an error here, not SIGBUS at some
// later packet. The caller's descriptor.
tl::expected<int, std::string> make_file(const std::string& path, std::uint64_t size);

}  // namespace headgate::ring
