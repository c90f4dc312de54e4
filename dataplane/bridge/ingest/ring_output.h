// The bridge's end of the ring to the fast path: made when the first input is there, made anew where its file
// was taken away or it became too small. Threading: owned by the bridge's media thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "dataplane/ring/ring.h"

namespace headgate::bridge::ingest {

class RingOutput {
 public:
  explicit RingOutput(std::string path) : path_(std::move(path)) {}

  // Room for so many inputs; nothing is made for none.
  tl::expected<void, std::string> resize(std::size_t inputs, std::size_t channels);
  // Looks now and then whether the file is still there.
  void keep();
  void forget_channel(std::uint32_t channel);

  // Up to seven packets. False: the ring is full, or there is none.
  bool push(std::uint32_t channel, std::uint32_t input, std::int64_t arrival_ns,
            std::span<const std::uint8_t> packets);
  void flush();

 private:
  tl::expected<void, std::string> open();

  std::string path_;
  std::unique_ptr<ring::Producer> producer_;
  std::size_t slots_ = 0;  // wanted
  std::size_t channels_ = 0;
  bool lost_ = false;
  bool unpublished_ = false;
};

}  // namespace headgate::bridge::ingest
