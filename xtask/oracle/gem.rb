# Gem::Version and Gem::Requirement. Lines in: "c A B" compares, "s REQUIREMENT VERSION" asks whether it is satisfied, all in
# hexadecimal. One character out for each: < = > t f, or ! where RubyGems refuses.
puts Gem::VERSION
$stdin.each_line do |line|
  kind, left, right = line.chomp.split(/ /, -1)
  left, right = [left, right].map { |hex| [hex].pack("H*").force_encoding("UTF-8") }
  begin
    if kind == "c"
      puts "<=>"[1 + (Gem::Version.new(left) <=> Gem::Version.new(right))]
    else
      puts Gem::Requirement.new(left.empty? ? [left] : left.split(",", -1)).satisfied_by?(Gem::Version.new(right)) ? "t" : "f"
    end
  rescue ArgumentError
    puts "!"
  end
end
