// Something that fetches an input: it connects, feeds its Entry, and after a failure tries again with growing
// pauses until it is destroyed. Threading: owned by the bridge's media thread; its entry outlives it.
#pragma once

namespace headgate::bridge::ingest {

class Source {
 public:
  virtual ~Source() = default;
};

}  // namespace headgate::bridge::ingest
