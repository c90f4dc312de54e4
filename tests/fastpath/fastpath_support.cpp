#include "tests/fastpath/fastpath_support.h"

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace headgate::fastpath {
namespace {

// EAL starts once a process, as an ordinary user, without huge pages.
class EalEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
    std::array<std::string, 10> arguments{"fastpath_test", "-l", "0",   "--no-pci",       "--no-huge",
                                          "--no-shconf",   "-m", "128", "--no-telemetry", "--log-level=4"};
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    ASSERT_GE(rte_eal_init(static_cast<int>(argv.size()), argv.data()), 0);
  }
};
const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(new EalEnvironment);

void put16(FrameBytes& out, std::uint32_t v) {
  out.push_back(static_cast<std::uint8_t>(v >> 8));
  out.push_back(static_cast<std::uint8_t>(v));
}
void put32(FrameBytes& out, std::uint32_t v) {
  put16(out, v >> 16);
  put16(out, v & 0xFFFF);
}

}  // namespace

FrameBytes ts_packet(std::uint16_t pid, std::uint8_t cc, std::uint8_t fill) {
  FrameBytes packet(mpegts::kPacketSize, fill);
  packet[0] = mpegts::kSyncByte;
  packet[1] = static_cast<std::uint8_t>(pid >> 8);
  packet[2] = static_cast<std::uint8_t>(pid);
  packet[3] = static_cast<std::uint8_t>(0x10 | (cc & 0x0F));
  return packet;
}

FrameBytes pcr_packet(std::uint16_t pid, std::uint8_t cc, std::uint64_t pcr) {
  FrameBytes packet = ts_packet(pid, cc, 0xFF);
  packet[3] = static_cast<std::uint8_t>(0x20 | (cc & 0x0F));
  packet[4] = 183;
  packet[5] = 0x10;
  const std::uint64_t base = pcr / 300;
  const std::uint64_t extension = pcr % 300;
  packet[6] = static_cast<std::uint8_t>(base >> 25);
  packet[7] = static_cast<std::uint8_t>(base >> 17);
  packet[8] = static_cast<std::uint8_t>(base >> 9);
  packet[9] = static_cast<std::uint8_t>(base >> 1);
  packet[10] = static_cast<std::uint8_t>((base & 1) << 7 | 0x7E | extension >> 8);
  packet[11] = static_cast<std::uint8_t>(extension);
  return packet;
}

FrameBytes join_bytes(const std::vector<FrameBytes>& parts) {
  FrameBytes all;
  for (const FrameBytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

FrameBytes udp_frame(const FrameBytes& payload, const DatagramOptions& options) {
  FrameBytes frame{0x01, 0x00, 0x5E, 0x01, 0x01, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
  if (options.vlan != 0) {
    put16(frame, 0x8100);
    put16(frame, options.vlan);
  }
  put16(frame, 0x0800);
  put16(frame, 0x4500);
  put16(frame, static_cast<std::uint32_t>(28 + payload.size()));
  put32(frame, 0);
  put32(frame, 0x10110000);  // TTL 16, UDP, no checksum: the parser leaves it to the card
  put32(frame, options.source);
  put32(frame, options.destination);
  put16(frame, 4000);
  put16(frame, options.port);
  put16(frame, static_cast<std::uint32_t>(8 + payload.size()));
  put16(frame, 0);
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

FrameBytes rtp_payload(std::uint16_t sequence, std::uint32_t timestamp, const FrameBytes& ts) {
  FrameBytes out{0x80, 33};
  put16(out, sequence);
  put32(out, timestamp);
  put32(out, 0x11223344);
  out.insert(out.end(), ts.begin(), ts.end());
  return out;
}

WorkerTest::WorkerTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "headgate-fastpath-XXXXXX").string();
  folder = ::mkdtemp(pattern.data());
  const std::array<const char*, 6> names{"in_rx", "in_tx", "out_rx", "out_tx", "to_host", "from_host"};
  for (const char* name : names)
    rings_.push_back(rte_ring_create(name, 256, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ));
  queues.to_host = rings_[4];
  queues.from_host = rings_[5];
  open_port("t_in", rings_[0], rings_[1]);
  open_port("t_out", rings_[2], rings_[3]);
  stats_ = std::make_unique<protocol::StatsMapping>(*protocol::StatsMapping::create(folder + "/stats"));
  timelines_ = std::make_unique<TimelineStore>(*TimelineStore::open(folder + "/timelines"));
  bridge = *ring::Producer::open(folder + "/ring", 512);
  std::vector<Registry::Interface> interfaces;
  Worker::Parts parts;
  const protocol::FastpathState base = state();
  for (std::size_t i = 0; i < runtimes_.size(); ++i) {
    runtimes_[i]->stats_index = i;
    interfaces.push_back({base.interfaces[i], runtimes_[i].get()});
    parts.ports.push_back(runtimes_[i].get());
  }
  registry_ = std::make_unique<Registry>(interfaces, stats_->page(), timelines_.get());
  parts.host = queues;
  parts.bridge = bridge.get();
  parts.stats = stats_->page();
  parts.timelines = timelines_.get();
  worker = std::make_unique<Worker>(std::move(parts));
}

WorkerTest::~WorkerTest() {
  sent();
  void* frame = nullptr;
  while (rte_ring_dequeue(queues.to_host, &frame) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
  worker.reset();
  ports_.clear();
  for (rte_ring* ring : rings_) rte_ring_free(ring);
  std::filesystem::remove_all(folder);
}

void WorkerTest::open_port(const std::string& name, rte_ring* rx, rte_ring* tx) {
  const int id = rte_eth_from_rings(name.c_str(), &rx, 1, &tx, 1, SOCKET_ID_ANY);
  ASSERT_GE(id, 0);
  std::array<char, RTE_ETH_NAME_MAX_LEN> full{};
  rte_eth_dev_get_name_by_port(static_cast<std::uint16_t>(id), full.data());
  Device device;
  device.kind = DeviceKind::dpdk;
  device.name = full.data();
  auto port = Port::open(name, device, 1500);
  ASSERT_TRUE(port) << port.error();
  ports_.push_back(std::move(*port));
  runtimes_.push_back(std::make_unique<PortRuntime>());
  runtimes_.back()->port = ports_.back().get();
}

protocol::FastpathState WorkerTest::state() const {
  protocol::FastpathState state;
  protocol::InterfaceState in;
  in.name = "in0";
  in.addresses = {"10.20.0.5/24"};
  // 5000 is no VLAN: the flow table refuses it, where nothing else does.
  in.vlans = {{120, {"10.21.0.5/24"}}, {5000, {}}};
  protocol::InterfaceState out = in;
  out.name = "out0";
  out.addresses = {"10.30.0.5/24"};
  state.interfaces = {in, out};
  return state;
}

protocol::FastpathChannel WorkerTest::channel(const std::string& id, const std::string& group,
                                              const std::string& to) {
  protocol::FastpathChannel channel;
  channel.id = id;
  channel.handle = static_cast<std::uint32_t>(id.back());
  protocol::InputState input;
  input.url = "udp://" + group + ":5000";
  input.interface = "in0";
  input.group = group;
  input.port = 5000;
  channel.inputs = {input};
  protocol::OutputState output;
  output.url = "udp://" + to + ":6000";
  output.interface = "out0";
  output.group = to;
  output.port = 6000;
  channel.outputs = {output};
  return channel;
}

void WorkerTest::apply(const protocol::FastpathState& wanted) {
  auto built = registry_->build(wanted);
  ASSERT_TRUE(built) << built.error();
  if (taps) taps->mark(*built->snapshot);
  built->snapshot->from_bridge = from_bridge.get();
  worker->publish(built->snapshot.get());
  worker->poll(now_ns, steps_ns);
  ASSERT_TRUE(worker->wait_for(built->snapshot.get(), std::chrono::milliseconds(0)));
  snapshot_ = std::move(built->snapshot);
  registry_->release_unused(*snapshot_);
}

void WorkerTest::apply_beside(const protocol::FastpathState& wanted) {
  auto built = registry_->build(wanted);
  ASSERT_TRUE(built) << built.error();
  worker->publish(built->snapshot.get());
  ASSERT_TRUE(worker->wait_for(built->snapshot.get(), std::chrono::seconds(30)));
  snapshot_ = std::move(built->snapshot);
  registry_->release_unused(*snapshot_);
}

std::string WorkerTest::refusal(const protocol::FastpathState& wanted) {
  const auto built = registry_->build(wanted);
  return built ? "" : built.error();
}

void WorkerTest::wait(std::int64_t ns) {
  now_ns += ns;
  worker->poll(now_ns, steps_ns);
}

std::vector<rte_mbuf*> WorkerTest::take_buffers() {
  std::vector<rte_mbuf*> buffers;
  while (rte_mbuf* buffer = rte_pktmbuf_alloc(ports_[1]->pool())) buffers.push_back(buffer);
  return buffers;
}

void WorkerTest::give_back(const std::vector<rte_mbuf*>& buffers) {
  for (rte_mbuf* buffer : buffers) rte_pktmbuf_free(buffer);
}

std::map<Membership, std::uint64_t> WorkerTest::arrivals() {
  worker->publish_all();
  return registry_->arrivals();
}

std::size_t WorkerTest::places_in_use() {
  std::size_t n = 0;
  for (const auto& entry : stats_->page()->inputs) n += entry.in_use.load();
  for (const auto& entry : stats_->page()->outputs) n += entry.in_use.load();
  for (const auto& entry : stats_->page()->channels) n += entry.in_use.load();
  return n;
}

void WorkerTest::enqueue(const FrameBytes& frame, std::uint16_t stripped_vlan) {
  rte_mbuf* buffer = rte_pktmbuf_alloc(ports_[0]->pool());
  ASSERT_NE(buffer, nullptr);
  char* room = rte_pktmbuf_append(buffer, static_cast<std::uint16_t>(frame.size()));
  ASSERT_NE(room, nullptr);
  std::memcpy(room, frame.data(), frame.size());
  if (stripped_vlan != 0) {
    buffer->vlan_tci = stripped_vlan;
    buffer->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
  }
  ASSERT_EQ(rte_ring_enqueue(rings_[0], buffer), 0);
}

void WorkerTest::receive(const FrameBytes& frame, std::uint16_t stripped_vlan) {
  enqueue(frame, stripped_vlan);
  wait(1'000'000);
}

void WorkerTest::receive_chained(const FrameBytes& first, const FrameBytes& second) {
  std::array<rte_mbuf*, 2> buffers{};
  const std::array<const FrameBytes*, 2> parts{&first, &second};
  for (std::size_t i = 0; i < 2; ++i) {
    buffers[i] = rte_pktmbuf_alloc(ports_[0]->pool());
    ASSERT_NE(buffers[i], nullptr);
    char* room = rte_pktmbuf_append(buffers[i], static_cast<std::uint16_t>(parts[i]->size()));
    ASSERT_NE(room, nullptr);
    std::memcpy(room, parts[i]->data(), parts[i]->size());
  }
  ASSERT_EQ(rte_pktmbuf_chain(buffers[0], buffers[1]), 0);
  ASSERT_EQ(rte_ring_enqueue(rings_[0], buffers[0]), 0);
  wait(1'000'000);
}

std::vector<FrameBytes> WorkerTest::sent() {
  std::vector<FrameBytes> frames;
  for (rte_ring* ring : {rings_[1], rings_[3]}) {
    void* object = nullptr;
    while (rte_ring_dequeue(ring, &object) == 0) {
      auto* buffer = static_cast<rte_mbuf*>(object);
      EXPECT_EQ(buffer->nb_segs, 1);
      EXPECT_EQ(buffer->next, nullptr);
      EXPECT_EQ(buffer->pkt_len, buffer->data_len);
      const auto* data = rte_pktmbuf_mtod(buffer, const std::uint8_t*);
      frames.emplace_back(data, data + buffer->data_len);
      rte_pktmbuf_free(buffer);
    }
  }
  return frames;
}

FrameBytes WorkerTest::payload_of(const FrameBytes& frame) {
  const Frame parsed = parse_frame(frame, 0);
  if (parsed.kind != Frame::Kind::udp) return {};
  const auto begin = frame.begin() + parsed.payload_offset;
  return {begin, begin + parsed.payload_size};
}

protocol::StatsPage& WorkerTest::stats() {
  worker->publish_all();
  return *stats_->page();
}

const protocol::InputStats* WorkerTest::input(const std::string& channel, std::uint32_t number) {
  for (const protocol::InputStats& entry : stats().inputs) {
    const bool wanted = number == 0 || entry.number == number;
    if (entry.in_use.load() != 0 && channel == entry.channel.data() && wanted) return &entry;
  }
  return nullptr;
}

const protocol::ChannelStats* WorkerTest::pipe(const std::string& channel) {
  for (const protocol::ChannelStats& entry : stats().channels) {
    if (entry.in_use.load() != 0 && channel == entry.channel.data()) return &entry;
  }
  return nullptr;
}

std::uint64_t WorkerTest::input_drops(const std::string& channel, protocol::DropReason reason) {
  const protocol::InputStats* found = input(channel);
  return found == nullptr ? 0 : found->drops[static_cast<std::size_t>(reason)].load();
}

std::uint64_t WorkerTest::interface_drops(protocol::DropReason reason) {
  return stats().interfaces[0].drops[static_cast<std::size_t>(reason)].load();
}

}  // namespace headgate::fastpath
