// Runs a fuzz target without libFuzzer: every file of its corpus, then a fixed number of mutations that are
// the same on every machine. A finding is a crash, a sanitizer report or the test's timeout; the input is
// left in the working folder.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kMaxInput = 64 * 1024;

// xorshift64*: the same sequence everywhere, unlike the distributions of <random>.
class Sequence {
 public:
  std::uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  std::size_t below(std::size_t limit) noexcept {
    return limit == 0 ? 0 : static_cast<std::size_t>(next() % limit);
  }
  std::uint8_t byte() noexcept { return static_cast<std::uint8_t>(next() >> 56); }

 private:
  std::uint64_t state_ = 0x9E3779B97F4A7C15ULL;
};

Bytes read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return bytes;
}

void mutate_once(Bytes& bytes, const std::vector<Bytes>& corpus, Sequence& sequence) {
  static constexpr std::uint8_t kNotable[] = {0x00, 0x01, 0x47, 0x7F, 0x80, 0xFF};
  const std::size_t at = sequence.below(bytes.size() + 1);
  switch (sequence.below(7)) {
    case 0:
      if (at < bytes.size()) bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << sequence.below(8)));
      break;
    case 1:
      if (at < bytes.size()) bytes[at] = sequence.byte();
      break;
    case 2:
      if (at < bytes.size()) bytes[at] = kNotable[sequence.below(std::size(kNotable))];
      break;
    case 3:
      bytes.resize(at);
      break;
    case 4: {
      const std::size_t count = std::min(1 + sequence.below(32), bytes.size() - std::min(at, bytes.size()));
      const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at, bytes.size()));
      bytes.erase(from, from + static_cast<std::ptrdiff_t>(count));
      break;
    }
    case 5: {
      Bytes inserted(1 + sequence.below(32));
      for (auto& value : inserted) value = sequence.byte();
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), inserted.begin(), inserted.end());
      break;
    }
    default: {
      // The head of this input, the tail of another one.
      const Bytes& other = corpus[sequence.below(corpus.size())];
      const std::size_t from = sequence.below(other.size() + 1);
      bytes.resize(at);
      bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      break;
    }
  }
  if (bytes.size() > kMaxInput) bytes.resize(kMaxInput);
}

// The input is written first, so that it survives the crash that it causes.
void run(const Bytes& bytes, const std::string& name) {
  {
    std::ofstream file(name + ".input", std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  // A heap copy of exactly this size, so that a read past the end is seen by the sanitizers; never a null
  // pointer.
  Bytes exact(bytes);
  exact.reserve(1);
  LLVMFuzzerTestOneInput(exact.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = std::filesystem::path(argv[0]).filename().string();
  const char* count_text = std::getenv("HEADGATE_FUZZ_MUTATIONS");
  const std::size_t mutations = count_text != nullptr ? std::strtoul(count_text, nullptr, 10) : 2000;
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::exists(argv[i])) continue;
    if (std::filesystem::is_regular_file(argv[i])) {
      paths.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> corpus;
  for (const auto& path : paths) corpus.push_back(read_bytes(path));
  const std::size_t seeds = corpus.size();
  if (seeds == 0) corpus.emplace_back();
  for (const auto& bytes : corpus) run(bytes, name);
  Sequence sequence;
  for (std::size_t i = 0; i < mutations; ++i) {
    Bytes bytes = corpus[sequence.below(corpus.size())];
    const std::size_t steps = 1 + sequence.below(6);
    for (std::size_t step = 0; step < steps; ++step) mutate_once(bytes, corpus, sequence);
    run(bytes, name);
  }
  std::filesystem::remove(name + ".input");
  std::printf("%s: %zu seeds, %zu mutations\n", name.c_str(), seeds, mutations);
  if (seeds == 0) {
    std::fprintf(stderr, "%s: error: no seeds; put some under tests/fuzz/corpus\n", name.c_str());
    return 1;
  }
  return 0;
}
