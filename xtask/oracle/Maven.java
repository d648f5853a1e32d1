import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.maven.artifact.versioning.*;

/**
 * ComparableVersion and VersionRange. Lines in: "c A B" compares, "s REQUIREMENT VERSION" asks whether it is satisfied, all in
 * hexadecimal. One character out for each: < = > t f, or ! where Maven refuses.
 */
public class Maven {
    public static void main(String[] arguments) throws IOException {
        var in = new BufferedReader(new InputStreamReader(System.in));
        var out = new PrintWriter(new BufferedWriter(new OutputStreamWriter(System.out)));
        out.println(ComparableVersion.class.getPackage().getImplementationVersion());
        for (String line; (line = in.readLine()) != null; ) {
            String[] parts = line.split(" ", -1);
            out.println(answer(parts[0], text(parts[1]), text(parts[2])));
        }
        out.flush();
    }

    private static String text(String hex) {
        return new String(HexFormat.of().parseHex(hex), StandardCharsets.UTF_8);
    }

    private static char answer(String kind, String left, String right) {
        try {
            if (kind.equals("c")) {
                int order = new ComparableVersion(left).compareTo(new ComparableVersion(right));
                return order < 0 ? '<' : order > 0 ? '>' : '=';
            }
            var range = VersionRange.createFromVersionSpec(left.trim());
            boolean recommended = range.getRecommendedVersion() != null || range.getRestrictions().isEmpty();
            return recommended ? '!' : range.containsVersion(new DefaultArtifactVersion(right)) ? 't' : 'f';
        } catch (Exception refused) {
            return '!';
        }
    }
}
