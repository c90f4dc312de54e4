#include "dataplane/ring/truncation.h"

#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

namespace headgate::ring {
namespace {

struct Range {
  std::atomic<std::uintptr_t> begin{0};  // 0: free
  std::atomic<std::size_t> size{0};      // 0: being taken
};
// A signal handler has nothing but what is global.
constinit std::array<Range, 4096> ranges;

bool make_zeros(std::uintptr_t begin, std::size_t size) noexcept {
  return ::mmap(reinterpret_cast<void*>(begin), size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void on_bus_error(int signal, siginfo_t* info, void*) {
  const int before = errno;
  const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (const Range& range : ranges) {
    const std::uintptr_t begin = range.begin.load();
    const std::size_t size = range.size.load();
    const bool touched = info->si_code == BUS_ADRERR && begin != 0 && at >= begin && at - begin < size;
    if (!touched || !make_zeros(begin, size)) continue;
    errno = before;
    return;
  }
  // Another's fault: it happens again, and then takes its course.
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  ::sigaction(signal, &plain, nullptr);
  if (info->si_code <= 0) ::raise(signal);  // sent by somebody
  errno = before;
}

bool install() noexcept {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  return ::sigaction(SIGBUS, &action, nullptr) == 0;
}

}  // namespace

void cover(void* memory, std::size_t size) noexcept {
  [[maybe_unused]] static const bool installed = install();
  for (Range& range : ranges) {
    std::uintptr_t nobody = 0;
    if (!range.begin.compare_exchange_strong(nobody, reinterpret_cast<std::uintptr_t>(memory))) continue;
    range.size.store(size);
    return;
  }
}

void uncover(void* memory) noexcept {
  for (Range& range : ranges) {
    if (range.begin.load() != reinterpret_cast<std::uintptr_t>(memory)) continue;
    range.size.store(0);
    range.begin.store(0);
    return;
  }
}

}  // namespace headgate::ring
