// One write of an endless body: the pieces taken from it, framed by chunked transfer coding where the client
// speaks HTTP/1.1 (RFC 9112 7.1), and how far it got. Included by the server's .cpp files only.
// Threading: owned by one thread.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "dataplane/bridge/http/message.h"

namespace headgate::bridge::http {

class StreamWrite {
 public:
  // Takes what there is. False: nothing now, and more may come.
  bool take(BodyStream& stream, std::size_t limit, bool chunked) {
    clear();
    stream.take(limit, pieces_);
    for (const BodyStream::Piece& piece : pieces_) media_bytes_ += piece.bytes.size();
    last_ = media_bytes_ == 0 && stream.ended();
    if (media_bytes_ == 0 && !last_) return false;
    if (chunked) {
      std::array<char, 24> text{};
      std::snprintf(text.data(), text.size(), "%zx\r\n", media_bytes_);
      chunk_head_ = text.data();
      pending_.push_back(boost::asio::buffer(chunk_head_));
    }
    for (const BodyStream::Piece& piece : pieces_)
      pending_.emplace_back(piece.bytes.data(), piece.bytes.size());
    if (chunked) pending_.emplace_back("\r\n", 2);
    return true;
  }
  bool done() const { return at_ == pending_.size(); }
  // The end of the body.
  bool last() const { return last_; }
  std::size_t media_bytes() const { return media_bytes_; }
  // As many as Asio writes in one call.
  const std::vector<boost::asio::const_buffer>& next() {
    constexpr std::size_t kMost = 64;
    const auto begin = pending_.begin() + static_cast<std::ptrdiff_t>(at_);
    some_.assign(begin, begin + static_cast<std::ptrdiff_t>(std::min(kMost, pending_.size() - at_)));
    return some_;
  }
  void advance(std::size_t written) {
    for (; at_ < pending_.size() && written >= pending_[at_].size(); ++at_) written -= pending_[at_].size();
    if (at_ < pending_.size()) pending_[at_] += written;
  }
  void clear() {
    pieces_.clear();
    pending_.clear();
    at_ = media_bytes_ = 0;
    last_ = false;
  }

 private:
  std::vector<BodyStream::Piece> pieces_;
  std::vector<boost::asio::const_buffer> pending_;
  std::vector<boost::asio::const_buffer> some_;
  std::string chunk_head_;
  std::size_t at_ = 0;  // in pending_
  std::size_t media_bytes_ = 0;
  bool last_ = false;
};

}  // namespace headgate::bridge::http
