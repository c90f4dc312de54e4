// The entries of the bridge's inputs with the other end of their ring, under a clock that tests move.
// Threading: owned by one thread.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/ring/ring.h"
#include "tests/mpegts/muxed_stream.h"

namespace headgate::bridge::test {

constexpr std::int64_t kMs = mpegts::kTicksPerSecond / 1000;

class IngestTest : public testing::Test {
 protected:
  static constexpr std::int64_t kStartNs = 1'700'000'000'000'000'000;
  static constexpr std::int64_t kMsNs = 1'000'000;

  IngestTest() {
    char name[] = "/tmp/hg-ingest-XXXXXX";
    dir_ = ::mkdtemp(name);
    path_ = dir_ + "/r.ring";
    entries = std::make_unique<ingest::Entries>(path_, [this] { return now_ns; });
  }
  ~IngestTest() override {
    entries.reset();
    std::filesystem::remove_all(dir_);
  }

  static protocol::BridgeChannel channel(const std::string& id, std::uint32_t handle,
                                         protocol::SourceKind kind = protocol::SourceKind::publish) {
    protocol::BridgeChannel out;
    out.id = id;
    out.handle = handle;
    out.name = "Stadium";
    out.provider = "Example";
    out.service_id = 12;
    protocol::BridgeInput input;
    input.kind = kind;
    input.number = 2;
    out.inputs.push_back(input);
    return out;
  }
  void apply(const std::vector<protocol::BridgeChannel>& channels) {
    const auto applied = entries->apply(
        channels, [this](ingest::Entry& e) { made.push_back(e.channel()); },
        [this](ingest::Entry& e) { gone.push_back(e.channel()); });
    ASSERT_TRUE(applied) << applied.error();
  }
  ingest::Entry& only(protocol::SourceKind kind = protocol::SourceKind::publish) {
    apply({channel("stadium", 5, kind)});
    drain();
    return *entries->find("stadium", kind);
  }
  // What the fast path would see from now on.
  void drain() {
    if (consumer == nullptr || consumer->stale()) {
      auto opened = ring::Consumer::open(path_);
      ASSERT_TRUE(opened) << opened.error();
      consumer = std::move(*opened);
    }
    consumer->poll(1U << 20, [this](const ring::Slot& slot) {
      slots.push_back(slot);
      seen.add(std::span(slot.packets).first(std::size_t{slot.packet_count} * 188));
    });
  }
  void pass(std::int64_t ms) {
    for (; ms > 0; ms -= 10) {
      now_ns += std::min<std::int64_t>(ms, 10) * kMsNs;
      entries->on_tick(now_ns);
    }
  }

  std::int64_t now_ns = kStartNs;
  std::unique_ptr<ingest::Entries> entries;
  std::unique_ptr<ring::Consumer> consumer;
  std::vector<ring::Slot> slots;
  mpegts::test::MuxedStream seen;
  std::vector<std::string> made, gone;
  std::string dir_;
  std::string path_;
};

}  // namespace headgate::bridge::test
