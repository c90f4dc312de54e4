// The system calls that a worker may make: to read and write what is open, to wait, to have memory, to look
// at the clock, to end. No files, no sockets, no processes or threads, no signals to others; whoever tries is
// killed. Compiled once, in the supervisor, as that takes longer than decoding a picture. seccomp(2).
// Threading: immutable once made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

namespace headgate::transcode {

class SyscallFilter {
 public:
  static tl::expected<SyscallFilter, std::string> for_workers();
  // For the supervisor itself: everything but to start programs, to look into others, and sockets that leave
  // the machine. Its workers inherit it.
  static tl::expected<SyscallFilter, std::string> for_supervisor();
  // For this process and for good; no_new_privs with it. False: not installed.
  bool install() const noexcept;

 private:
  struct Instruction {  // struct sock_filter
    std::uint16_t code;
    std::uint8_t jt;
    std::uint8_t jf;
    std::uint32_t k;
  };
  static tl::expected<SyscallFilter, std::string> compile(void* libseccomps);

  std::vector<Instruction> program_;
  bool own_signals_only_ = false;
};

}  // namespace headgate::transcode
