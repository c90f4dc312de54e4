// A folder of its own for each test, and slots whose content tells which they are.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "dataplane/ring/ring.h"

namespace headgate::ring {

class RingFixture : public testing::Test {
 protected:
  RingFixture() {
    char name[] = "/tmp/hg-ring-XXXXXX";
    dir_ = ::mkdtemp(name);
    path_ = dir_ + "/r.ring";
  }
  ~RingFixture() override { std::filesystem::remove_all(dir_); }

  static bool push(Producer& producer, std::uint32_t channel, std::uint8_t fill = 0,
                   std::size_t packets = 7) {
    Slot header{};
    header.channel = channel;
    const std::vector<std::uint8_t> bytes(packets * 188, fill);
    return producer.push(header, bytes);
  }

  // Channel, sequence and flags of what is there.
  struct Seen {
    std::uint32_t channel;
    std::uint32_t sequence;
    std::uint16_t flags;
    bool operator==(const Seen&) const = default;
  };
  static std::vector<Seen> drain(Consumer& consumer, std::size_t limit = 1U << 22) {
    std::vector<Seen> seen;
    consumer.poll(limit, [&](const Slot& slot) {
      seen.push_back({slot.channel, slot.sequence, slot.flags});
    });
    return seen;
  }

  std::string dir_;
  std::string path_;
};

}  // namespace headgate::ring
