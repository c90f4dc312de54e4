#include "dataplane/fastpath/port/eal.h"

#include <fmt/format.h>
#include <pthread.h>
#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>

#include "dataplane/fastpath/port/driver_calls.h"

namespace headgate::fastpath {
namespace {

using Log = std::function<void(int, const std::string&)>;

ssize_t write_log(void* cookie, const char* text, size_t size) {
  std::string line(text, size);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  if (!line.empty()) (*static_cast<Log*>(cookie))(rte_log_cur_msg_loglevel(), line);
  return static_cast<ssize_t>(size);
}

// DPDK keeps the stream until the process ends, and so must the function behind it.
void redirect_log(const Log& log) {
  if (!log) return;
  static Log kept;
  kept = log;
  cookie_io_functions_t functions{};
  functions.write = write_log;
  if (FILE* stream = ::fopencookie(&kept, "w", functions); stream != nullptr) {
    ::setvbuf(stream, nullptr, _IOLBF, 1024);
    rte_openlog_stream(stream);
  }
}

// A second rte_eal_init after a failed one is refused, so whether huge pages are free is tried out
// beforehand.
bool hugepages_available(std::size_t mib) {
  const std::size_t bytes = mib * 1024 * 1024;
  void* area =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  if (area == MAP_FAILED) return false;
  ::munmap(area, bytes);
  return true;
}

std::string first_allowed_cpus(const cpu_set_t& set) {
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) return fmt::format("0@{}", cpu);
  return "0@0";
}

std::vector<std::string> arguments_for(const EalOptions& options, bool huge, const cpu_set_t& affinity) {
  std::vector<std::string> arguments{
      "headgate-fastpath", "--lcores", first_allowed_cpus(affinity), "--no-telemetry",
      // Unique: a second instance, also one of another run_dir, must not meet this one's files.
      fmt::format("--file-prefix=headgate{}", ::getpid()), "-m", std::to_string(options.memory_mib)};
  if (huge) {
    arguments.emplace_back("--in-memory");  // no file in hugetlbfs that outlives a killed process
  } else {
    arguments.emplace_back("--no-huge");  // excludes --in-memory
    arguments.emplace_back("--no-shconf");
  }
  if (options.pci_devices.empty()) {
    arguments.emplace_back("--no-pci");
  } else {
    for (const std::string& address : options.pci_devices) {
      arguments.emplace_back("-a");
      arguments.push_back(address);
    }
  }
  return arguments;
}

}  // namespace

tl::expected<EalInfo, std::string> start_eal(const EalOptions& options) {
  using protocol::HugepageMode;
  const bool free = options.hugepages != HugepageMode::never && hugepages_available(options.memory_mib);
  if (options.hugepages == HugepageMode::required && !free) {
    return tl::unexpected<std::string>(fmt::format(
        "fastpath.hugepages is required, but {} MiB of huge pages are not free; reserve them with: sysctl -w "
        "vm.nr_hugepages={}",
        options.memory_mib, options.memory_mib / 2));
  }
  cpu_set_t affinity;
  CPU_ZERO(&affinity);
  ::pthread_getaffinity_np(::pthread_self(), sizeof affinity, &affinity);

  redirect_log(options.log);
  if (!options.runtime_dir.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(options.runtime_dir + "/dpdk", ignored);
    ::setenv("RUNTIME_DIRECTORY", options.runtime_dir.c_str(), 1);  // EAL's name for it is systemd's
  }
  set_vfio_needed(!options.pci_devices.empty());
  std::vector<std::string> arguments = arguments_for(options, free, affinity);
  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  const int result = rte_eal_init(static_cast<int>(argv.size()), argv.data());
  ::pthread_setaffinity_np(::pthread_self(), sizeof affinity, &affinity);
  if (result < 0) {
    if (!options.pci_devices.empty() && !sysfs_has_modules())
      return tl::unexpected<std::string>(
          "DPDK can't reach cards on the PCI bus without /sys/module; mount sysfs (mount -t sysfs sysfs "
          "/sys), "
          "or in a container give it the host's");
    return tl::unexpected<std::string>(fmt::format("DPDK could not start with {} MiB of {}: {}",
                                                   options.memory_mib, free ? "huge pages" : "ordinary pages",
                                                   rte_strerror(rte_errno)));
  }
  return EalInfo{free, options.memory_mib};
}

void run_on_interrupt_thread(std::function<void()> f) {
  struct Job {
    std::function<void()> f;
    std::promise<void> done;
  };
  Job job{std::move(f), {}};
  const auto run = [](void* argument) {
    auto* mine = static_cast<Job*>(argument);
    mine->f();
    mine->done.set_value();
  };
  if (rte_eal_alarm_set(1, run, &job) != 0) return;
  job.done.get_future().wait();
}

}  // namespace headgate::fastpath
