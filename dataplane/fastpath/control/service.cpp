#include "dataplane/fastpath/control/service.h"

#include <fmt/format.h>
#include <pthread.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_ring.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "control/log/log.h"
#include "control/protocol/message.h"
#include "dataplane/fastpath/control/log.h"
#include "dataplane/fastpath/control/privileges.h"
#include "dataplane/fastpath/port/eal.h"

namespace headgate::fastpath {
namespace {

using std::chrono::milliseconds;
using Status = tl::expected<void, std::string>;

constexpr unsigned kHostQueue = 1024;
constexpr milliseconds kPortWatch{200};
constexpr unsigned kPathWatches = 5;  // about once a second
constexpr unsigned kDataWatches = 3;  // every third look also asks where media comes
constexpr milliseconds kAdoptTimeout{2000};
constexpr double kMaxTapSeconds = 3600;
constexpr std::size_t kMinRingBytes = 16 * 1024 * 1024;
constexpr std::size_t kRingBytesPerChannel = 256 * 1024;

std::int64_t unix_now_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

std::int64_t steady_now_ns() {
  const auto steady = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(steady).count();
}

tl::unexpected<std::string> system_failure(const std::string& what) {
  return tl::unexpected<std::string>(what + ": " + std::strerror(errno));
}

void watch(int epoll_fd, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

Service::Service(protocol::RunDir run_dir) : run_dir_(std::move(run_dir)), started_unix_ns_(unix_now_ns()) {}

Service::~Service() {
  stop();
  endpoint_.reset();
  worker_.reset();
  taps_.reset();
  hosts_.reset();
  registry_.reset();
  snapshot_.reset();
  port_runtimes_.clear();
  ports_.clear();
  rte_ring_free(queues_.to_host);
  rte_ring_free(queues_.from_host);
  if (queues_.wake_fd >= 0) ::close(queues_.wake_fd);
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

tl::expected<protocol::FastpathState, std::string> Service::read_state() const {
  const auto text = protocol::read_file(run_dir_.fastpath_state());
  if (!text) return tl::unexpected<std::string>(text.error());
  auto state = protocol::parse_fastpath_state(*text);
  if (!state)
    return tl::unexpected<std::string>(fmt::format("{}: {}", run_dir_.fastpath_state(), state.error()));
  return state;
}

Status Service::start() {
  auto state = read_state();
  if (!state) return tl::unexpected<std::string>(state.error());
  log::set_up(log::settings_of(state->log_level, state->log_format));
  ::mkdir(run_dir_.fastpath_dir().c_str(), 0755);
  epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return system_failure("epoll");
  if (auto opened = open_ports(*state); !opened) return opened;
  if (auto opened = open_shared_memory(*state); !opened) return opened;

  std::vector<Registry::Interface> interfaces;
  for (std::size_t i = 0; i < ports_.size(); ++i)
    interfaces.push_back({state->interfaces[i], port_runtimes_[i].get()});
  registry_ = std::make_unique<Registry>(interfaces, stats_->page(), timelines_.get());
  hosts_ = std::make_unique<Hosts>(interfaces, queues_, stats_->page());
  watch_ports();

  // From here on the open descriptors are enough. Threads made later inherit it; EAL's own is told by itself.
  if (auto dropped = drop_privileges(); !dropped) return dropped;
  run_on_interrupt_thread([] { static_cast<void>(drop_privileges()); });

  state_ = *state;
  taps_ = std::make_unique<Taps>(run_dir_.fastpath_dir());
  start_worker();
  hosts_->announce();
  if (auto applied = apply(*state); !applied) return applied;
  auto endpoint = protocol::Endpoint::open(run_dir_.fastpath_socket(), epoll_fd_,
                                           [this](const std::string& line) { return answer(line); });
  if (!endpoint) return tl::unexpected<std::string>(endpoint.error());
  endpoint_ = std::move(*endpoint);
  log::info("started: {} interfaces, {} channels, after {} ms", ports_.size(), state->channels.size(),
            (unix_now_ns() - started_unix_ns_) / 1'000'000);
  return {};
}

Status Service::open_ports(const protocol::FastpathState& state) {
  std::vector<Device> devices;
  EalOptions eal;
  eal.hugepages = state.hugepages;
  eal.log = log_dpdk;
  eal.memory_mib = 24;
  eal.runtime_dir = run_dir_.fastpath_dir();
  for (std::size_t i = 0; i < state.interfaces.size(); ++i) {
    auto device = parse_device(state.interfaces[i].device, i);
    if (!device)
      return tl::unexpected<std::string>(
          fmt::format("interface {}: {}", state.interfaces[i].name, device.error()));
    for (std::size_t other = 0; other < i; ++other) {
      if (devices[other].name != device->name) continue;
      return tl::unexpected<std::string>(fmt::format(
          "interface {}: its device {} is that of interface {} already; take another, a virtual one by "
          "another number",
          state.interfaces[i].name, device->name, state.interfaces[other].name));
    }
    eal.memory_mib += pool_memory_mib(device->kind);
    if (device->needs_pci_scan)
      eal.pci_devices.push_back(device->arguments.empty() ? device->name
                                                          : device->name + "," + device->arguments);
    devices.push_back(std::move(*device));
  }
  if (devices.size() > protocol::kMaxInterfaces)
    return tl::unexpected<std::string>(fmt::format("more than {} interfaces", protocol::kMaxInterfaces));
  const auto info = start_eal(eal);
  if (!info) return tl::unexpected<std::string>(info.error());
  log::info("DPDK runs with {} MiB of {} pages", info->memory_mib, info->hugepages ? "huge" : "ordinary");
  for (std::size_t i = 0; i < devices.size(); ++i) {
    auto port = Port::open(state.interfaces[i].name, devices[i], state.interfaces[i].mtu);
    if (!port) return tl::unexpected<std::string>(port.error());
    ports_.push_back(std::move(*port));
    port_runtimes_.push_back(std::make_unique<PortRuntime>());
    port_runtimes_.back()->port = ports_.back().get();
  }
  queues_.to_host = rte_ring_create("to_host", kHostQueue, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  queues_.from_host = rte_ring_create("from_host", kHostQueue, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (queues_.to_host == nullptr || queues_.from_host == nullptr)
    return tl::unexpected<std::string>("no memory for the queues of the hosts");
  queues_.wake_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (queues_.wake_fd < 0) return system_failure("eventfd");
  watch(epoll_fd_, queues_.wake_fd);
  return {};
}

Status Service::open_shared_memory(const protocol::FastpathState& state) {
  auto stats = protocol::StatsMapping::create(run_dir_.fastpath_stats());
  if (!stats) {
    // Media matters more than its counters.
    log::error("no counters are shown until this process starts anew: {}; make room in run_dir",
               stats.error());
    stats = protocol::StatsMapping::create_unshared();
  }
  if (!stats) return tl::unexpected<std::string>(stats.error());
  stats_ = std::make_unique<protocol::StatsMapping>(std::move(*stats));
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    protocol::InterfaceStats& entry = stats_->page()->interfaces[i];
    state.interfaces[i].name.copy(entry.name.data(), entry.name.size() - 1);
    state.interfaces[i].device.copy(entry.device.data(), entry.device.size() - 1);
    std::copy(ports_[i]->mac().begin(), ports_[i]->mac().end(), entry.mac.begin());
    entry.in_use.store(1, std::memory_order_release);
    port_runtimes_[i]->stats_index = i;
  }
  auto timelines = TimelineStore::open(run_dir_.timelines());
  if (!timelines) return tl::unexpected<std::string>(timelines.error());
  timelines_ = std::make_unique<TimelineStore>(std::move(*timelines));
  const auto bridged = static_cast<std::size_t>(
      std::count_if(state.channels.begin(), state.channels.end(), [](const auto& c) { return c.to_bridge; }));
  const std::size_t bytes = std::max(kMinRingBytes, bridged * kRingBytesPerChannel);
  ring_slots_ = bytes / sizeof(ring::Slot);
  auto bridge = ring::Producer::open(run_dir_.bridge_ring(), ring_slots_);
  if (!bridge) return tl::unexpected<std::string>(bridge.error());
  bridge_ = std::move(*bridge);
  return {};
}

void Service::start_worker() {
  Worker::Parts parts;
  for (const auto& port : port_runtimes_) parts.ports.push_back(port.get());
  parts.host = queues_;
  parts.bridge = bridge_.get();
  parts.stats = stats_->page();
  parts.timelines = timelines_.get();
  worker_ = std::make_unique<Worker>(std::move(parts));
  never_sleep_.store(state_.idle == protocol::IdleMode::poll);
  thread_ = std::thread([this] { worker_main(); });
}

void Service::worker_main() {
  ::pthread_setname_np(::pthread_self(), "worker-0");
  if (!state_.cores.empty()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(state_.cores.front(), &set);
    if (::pthread_setaffinity_np(::pthread_self(), sizeof set, &set) != 0)
      log::warning("fastpath.cores: core {} is not there or not allowed; the worker runs unpinned",
                   state_.cores.front());
  }
  // Gives the thread its cache of packet buffers.
  if (rte_thread_register() != 0) log::warning("the worker has no buffer cache: {}", rte_strerror(rte_errno));
  worker_->run(stop_, never_sleep_);
  rte_thread_unregister();
}

Status Service::apply(const protocol::FastpathState& state) {
  if (state.interfaces != state_.interfaces)
    return tl::unexpected<std::string>("restart_required: interfaces changed");
  if (state.hugepages != state_.hugepages || state.cores != state_.cores)
    return tl::unexpected<std::string>("restart_required: fastpath.hugepages or fastpath.cores changed");
  auto built = registry_->build(state);
  if (!built) return tl::unexpected<std::string>(built.error());
  // Joined before the switch of tables, left after it: a channel in both loses nothing.
  registry_->note_joins(steady_now_ns() + stats_->page()->clock_base_ns);
  hosts_->join(built->memberships);
  hosts_->turn();
  taps_->mark(*built->snapshot);
  built->snapshot->from_bridge = from_bridge_.get();
  // The worker takes no frame before its first tables.
  if (snapshot_ == nullptr)
    std::for_each(ports_.begin(), ports_.end(), [](auto& p) { p->forget_lossy_backlog(); });
  switch_to(std::move(built->snapshot));
  registry_->release_unused(*snapshot_);
  hosts_->leave(built->memberships);
  hosts_->turn();
  never_sleep_.store(state.idle == protocol::IdleMode::poll);
  log::set_up(log::settings_of(state.log_level, state.log_format));
  state_ = state;
  stats_->page()->generation.store(state.generation, std::memory_order_release);
  log::info({"", "applied", false}, "generation {} applied: {} channels, {} groups", state.generation,
            state.channels.size(), built->memberships.size());
  return {};
}

void Service::switch_to(std::unique_ptr<Snapshot> snapshot) {
  worker_->publish(snapshot.get());
  if (!worker_->wait_for(snapshot.get(), kAdoptTimeout)) {
    // The worker may still take it up: neither the old tables nor the new ones can be freed.
    log::error("the worker doesn't answer; giving up, so that the launcher restarts this process");
    ::_exit(4);
  }
  snapshot_ = std::move(snapshot);
}

void Service::publish_taps() {
  auto next = std::make_unique<Snapshot>(*snapshot_);
  next->forgotten_handles.clear();
  taps_->mark(*next);
  switch_to(std::move(next));
}

tl::expected<nlohmann::json, std::string> Service::tap(const nlohmann::json& params) {
  Taps::Wish wish;
  try {
    wish.channel = params.at("channel").get<std::string>();
    wish.input = params.at("input").get<std::uint32_t>();
    wish.url = params.at("url").get<std::string>();
    const auto seconds = params.at("seconds").get<double>();
    if (!(seconds > 0 && seconds <= kMaxTapSeconds))
      return tl::unexpected<std::string>("tap: seconds must be above 0 and at most 3600");
    wish.time = milliseconds(static_cast<std::int64_t>(seconds * 1000));
  } catch (const nlohmann::json::exception& error) {
    return tl::unexpected<std::string>(fmt::format("tap: {}", error.what()));
  }
  const bool known = std::any_of(snapshot_->inputs.begin(), snapshot_->inputs.end(), [&](const auto* input) {
    return input->channel == wish.channel && input->number == wish.input && input->url == wish.url;
  });
  if (!known)
    return tl::unexpected<std::string>(fmt::format("channel {} takes in no {}", wish.channel, wish.url));
  end_taps();
  const auto path = taps_->open(wish, std::chrono::steady_clock::now());
  if (!path) return tl::unexpected<std::string>(path.error());
  publish_taps();
  return nlohmann::json{{"ring", *path}};
}

void Service::end_taps() {
  if (const Taps::Ended ended = taps_->end(std::chrono::steady_clock::now()); !ended.empty()) publish_taps();
}

nlohmann::json Service::hello() const {
  return {{"process", "fastpath"},
          {"pid", ::getpid()},
          {"version", HEADGATE_VERSION},
          {"generation", state_.generation},
          {"started_unix_ns", started_unix_ns_}};
}

nlohmann::json Service::status() const {
  nlohmann::json memberships = nlohmann::json::array();
  const auto quad = [](std::uint32_t address) {
    return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 0xFF, address >> 8 & 0xFF,
                       address & 0xFF);
  };
  for (const auto& [membership, heard] : hosts_->memberships()) {
    memberships.push_back({{"interface", state_.interfaces[membership.interface].name},
                           {"vlan", membership.vlan},
                           {"group", quad(membership.group)},
                           {"source", membership.source == 0 ? "" : quad(membership.source)},
                           {"media", heard.media}});
  }
  nlohmann::json ports = nlohmann::json::array();
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const auto& m = ports_[i]->mac();
    ports.push_back({{"interface", ports_[i]->interface()},
                     {"device", state_.interfaces[i].device},
                     {"mac", fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", m[0], m[1], m[2], m[3],
                                         m[4], m[5])},
                     {"link_up", port_runtimes_[i]->link_up.load()}});
  }
  return {{"memberships", memberships}, {"ports", ports}};
}

std::string Service::answer(const std::string& line) {
  const auto request = protocol::parse_request(line);
  if (!request) return protocol::format_error(0, request.error());
  if (request->method == "hello") return protocol::format_result(request->id, hello());
  if (request->method == "status") return protocol::format_result(request->id, status());
  if (request->method == "tap") {
    const auto opened = tap(request->params);
    return opened ? protocol::format_result(request->id, *opened)
                  : protocol::format_error(request->id, opened.error());
  }
  if (request->method != "apply")
    return protocol::format_error(request->id, fmt::format("there is no method \"{}\"", request->method));
  const auto state = read_state();
  const Status applied = state ? apply(*state) : Status(tl::unexpected<std::string>(state.error()));
  if (!applied) {
    log::warning({"", "apply_refused", false}, "apply refused: {}", applied.error());
    return protocol::format_error(request->id, applied.error());
  }
  return protocol::format_result(request->id, {{"generation", state_.generation}});
}

void Service::watch_ports() {
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const bool up = ports_[i]->link_up();
    if (up != port_runtimes_[i]->link_up.exchange(up)) {
      log::warning({"", up ? "link_up" : "link_down"}, "interface {}: link {}", ports_[i]->interface(),
                   up ? "up" : "down");
      if (up) hosts_->refresh(i);
    }
    protocol::InterfaceStats& stats = stats_->page()->interfaces[i];
    stats.link_up.store(up ? 1 : 0, std::memory_order_relaxed);
    const Port::Errors errors = ports_[i]->errors();
    const auto set = [&](protocol::DropReason reason, std::uint64_t value) {
      stats.drops[static_cast<std::size_t>(reason)].store(value, std::memory_order_relaxed);
    };
    set(protocol::DropReason::nic_missed, errors.missed);
    set(protocol::DropReason::nic_error, errors.errors);
    set(protocol::DropReason::nic_no_buffer, errors.no_buffer);
  }
}

void Service::run(int signal_fd) {
  watch(epoll_fd_, signal_fd);
  auto next_watch = std::chrono::steady_clock::now();
  unsigned watches = 0;
  for (;;) {
    std::array<epoll_event, 32> events;
    const auto wait = hosts_->next_wait(kPortWatch);
    const int n = ::epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()),
                               static_cast<int>(wait.count()));
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == signal_fd) return;
      if (fd == queues_.wake_fd) {
        eventfd_t count = 0;
        ::eventfd_read(queues_.wake_fd, &count);
      } else {
        endpoint_->on_event(fd, events[static_cast<std::size_t>(i)].events);
      }
    }
    hosts_->turn();
    if (const auto now = std::chrono::steady_clock::now(); now >= next_watch) {
      next_watch = now + kPortWatch;
      watch_ports();
      registry_->serve_wide_tables();
      keep_return_ring();
      watch_reader_.look(*snapshot_, unix_now_ns());
      end_taps();
      log::on_tick();
      hosts_->publish(stats_->page()->clock_base_ns);
      if (++watches % kDataWatches == 0) hosts_->hear(registry_->arrivals());
      if (watches % kPathWatches == 0) {
        keep_ring();
        if (endpoint_->keep_path()) log::warning("{} was gone: listening anew", run_dir_.fastpath_socket());
      }
    }
  }
}

void Service::flush_hosts() {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(200);
  // An empty queue is not yet a sent frame: two turns of the worker after it are.
  for (int quiet = 0; quiet < 2 && std::chrono::steady_clock::now() < deadline;) {
    hosts_->turn();
    quiet =
        rte_ring_empty(queues_.from_host) != 0 && hosts_->next_wait(kPortWatch).count() > 0 ? quiet + 1 : 0;
    std::this_thread::sleep_for(milliseconds(2));
  }
}

void Service::stop() {
  if (!thread_.joinable()) return;
  hosts_->leave_all();
  flush_hosts();
  stop_.store(true);
  thread_.join();
  log::info("stopped");
}

}  // namespace headgate::fastpath
